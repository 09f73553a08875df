// Python's arrays as the engine takes them: of the right type, layout, length and alignment, or an error that names them.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <string>
#include <type_traits>
#include <vector>

#include "checks.hpp"

namespace backlit {

namespace nb = nanobind;

template <class T> using Vector = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T> using Matrix = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T> constexpr const char* dtype_name() {
    if constexpr (std::is_same_v<std::remove_const_t<T>, float>) return "float32";
    else if constexpr (std::is_same_v<std::remove_const_t<T>, double>) return "float64";
    else if constexpr (std::is_same_v<std::remove_const_t<T>, i64>) return "int64";
    else return "uint8";
}

// What an object is, for an error: an array's dtype and shape, or its type.
inline std::string described(nb::handle object) {
    if (object.is_none()) return "None";
    if (!nb::hasattr(object, "dtype") || !nb::hasattr(object, "shape")) return nb::cast<std::string>(nb::str(object.type()));
    const nb::object dtype = object.attr("dtype"), shape = object.attr("shape");
    return nb::cast<std::string>(nb::str(dtype)) + " of shape " + nb::cast<std::string>(nb::str(shape));
}

// An array as it is, never a copy: what is written must arrive.
template <class A> A array(nb::handle object, const std::string& what) {
    using T = typename A::Scalar;
    A found;
    if (!nb::try_cast<A>(object, found, false))
        throw nb::type_error(text(what, " must be a ", std::is_const_v<T> ? "" : "writable ", "C-contiguous ",
                                  A::Config::N == 1 ? "vector" : "matrix", " of ", dtype_name<T>(), ", not ", described(object)).c_str());
    const auto address = reinterpret_cast<std::uintptr_t>(found.data());
    require(address % sizeof(T) == 0, what, " is not aligned: np.require(..., requirements=\"A\") makes it so");
    return found;
}
template <class T> Vector<T> vector(nb::handle object, i64 length, const std::string& what) {
    Vector<T> found = array<Vector<T>>(object, what);
    require((i64)found.shape(0) == length, what, " must have ", length, " numbers, not ", found.shape(0));
    return found;
}
template <class T> Matrix<T> matrix(nb::handle object, i64 rows, i64 columns, const std::string& what) {
    Matrix<T> found = array<Matrix<T>>(object, what);
    require((i64)found.shape(0) == rows && (i64)found.shape(1) == columns, what, " must have shape (", rows, ", ", columns,
            "), not (", found.shape(0), ", ", found.shape(1), ")");
    return found;
}
template <class T> Matrix<T> rows_of(nb::handle object, i64 columns, const std::string& what) {  // however many
    Matrix<T> found = array<Matrix<T>>(object, what);
    require((i64)found.shape(1) == columns, what, " must have ", columns, " columns, not ", found.shape(1));
    return found;
}
using Held = std::vector<nb::object>;  // what a caller's list holds, and may let go while the engine works
inline Held sequence(nb::handle object, size_t length, const char* what) {
    if (!nb::isinstance<nb::list>(object) && !nb::isinstance<nb::tuple>(object))
        throw nb::type_error(text(what, " must be a list, not ", described(object)).c_str());
    require(nb::len(object) == length, what, " must have ", length, " entries, not ", nb::len(object));
    Held found;
    for (nb::handle entry : object) found.push_back(nb::borrow(entry));
    return found;
}

}  // namespace backlit
