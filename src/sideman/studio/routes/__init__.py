"""Routes: what the page may ask, by subject; each calls one function and words its answer."""
