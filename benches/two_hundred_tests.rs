//! A macro that makes 200 tests of one function.

/// Twenty modules of ten tests each; every test calls the function of this path.
#[macro_export]
macro_rules! two_hundred_tests {
    ($function:path) => {
        $crate::two_hundred_tests!($function; a b c d e f g h i j k l m n o p q r s t);
    };
    ($function:path; $($module:ident)*) => {
        $(mod $module {
            $crate::two_hundred_tests!(@one $function; zero);
            $crate::two_hundred_tests!(@one $function; one);
            $crate::two_hundred_tests!(@one $function; two);
            $crate::two_hundred_tests!(@one $function; three);
            $crate::two_hundred_tests!(@one $function; four);
            $crate::two_hundred_tests!(@one $function; five);
            $crate::two_hundred_tests!(@one $function; six);
            $crate::two_hundred_tests!(@one $function; seven);
            $crate::two_hundred_tests!(@one $function; eight);
            $crate::two_hundred_tests!(@one $function; nine);
        })*
    };
    (@one $function:path; $test:ident) => {
        #[test]
        fn $test() {
            $function();
        }
    };
}
