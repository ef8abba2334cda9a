"""Pages for people. The portal owns no data: it asks the services in the name of whoever has signed in."""
