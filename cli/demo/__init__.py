"""The demo source: real flights, and one more day of them."""
