// The BLAS that SciPy brought: its gemm by the pointers of scipy.linalg.cython_blas, in row-major words.
#pragma once
#include "plan.hpp"

namespace backlit {

template <class T>
using Gemm = void (*)(char*, char*, int*, int*, int*, T*, T*, int*, T*, int*, T*, T*, int*);

template <class T> struct Blas {
    Gemm<T> gemm = nullptr;

    // C (m, n) = A B, or C += A B.  A is (m, k) with rows lda apart, or stands for the transpose of a (k, m); so is B.
    void product(i64 m, i64 n, i64 k, const T* A, i64 lda, bool A_transposed, const T* B, i64 ldb, bool B_transposed, T* C,
                 i64 ldc, bool add) const {
        if (m == 0 || n == 0) return;
        // Column-major BLAS sees each row-major matrix as its transpose: Cᵀ = Bᵀ Aᵀ.
        char ta = B_transposed ? 'T' : 'N', tb = A_transposed ? 'T' : 'N';
        int rows = (int)n, columns = (int)m, inner = (int)k, la = (int)ldb, lb = (int)lda, lc = (int)ldc;
        T one = 1, beta = add ? 1 : 0;
        gemm(&ta, &tb, &rows, &columns, &inner, &one, const_cast<T*>(B), &la, const_cast<T*>(A), &lb, &beta, C, &lc);
    }
};

}  // namespace backlit
