"""A small shop: `orders` takes orders and completes them in the background, `payments` charges for them."""
