"""The actions of `kamerton data`, one a file."""
