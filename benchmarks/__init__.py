"""The measures of the product: `make bench`."""
