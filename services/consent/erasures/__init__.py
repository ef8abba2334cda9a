"""The saga that removes what an ended episode left behind, up to the certificate."""
