"""One clip's life, put together from what the stations wrote down."""
