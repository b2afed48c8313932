//! Nothing: the tests and examples of this package are all that it has.
