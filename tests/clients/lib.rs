//! Empty: this package has only tests and examples.
