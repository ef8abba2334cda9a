from shared.database.migrate import main

main()
