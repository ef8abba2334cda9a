"""Who may be filmed, for what, until when; and the erasure when that ends."""
