"""What the product is measured against: small, honest programs that answer the same from the same rows."""
