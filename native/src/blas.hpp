// The BLAS that SciPy brought: its gemm by the pointers of scipy.linalg.cython_blas, in row-major words.
#pragma once
#include "plan.hpp"
#include "thread_pool.hpp"

namespace backlit {

template <class T>
using Gemm = void (*)(char*, char*, int*, int*, int*, T*, T*, int*, T*, int*, T*, T*, int*);

// C (m, n) = A B, or C += A B.  A is (m, k) with rows lda apart, or stands for the transpose of a (k, m); so is B.
template <class T> struct BlasJob {
    i64 m, n, k;
    const T* A;
    i64 lda;
    bool A_transposed;
    const T* B;
    i64 ldb;
    bool B_transposed;
    T* C;
    i64 ldc;
    bool add;
};

template <class T> struct Blas {
    Gemm<T> gemm = nullptr;

    void product(const BlasJob<T>& job) const {
        if (job.m == 0 || job.n == 0) return;
        // Column-major BLAS sees each row-major matrix as its transpose: Cᵀ = Bᵀ Aᵀ.
        char ta = job.B_transposed ? 'T' : 'N', tb = job.A_transposed ? 'T' : 'N';
        int rows = (int)job.n, columns = (int)job.m, inner = (int)job.k, la = (int)job.ldb, lb = (int)job.lda, lc = (int)job.ldc;
        T one = 1, beta = job.add ? 1 : 0;
        gemm(&ta, &tb, &rows, &columns, &inner, &one, const_cast<T*>(job.B), &la, const_cast<T*>(job.A), &lb, &beta, job.C, &lc);
    }
};

// Calls f(first, count) for each of BLAS's blocks of r, which starts at one.
template <class F> void each_blas_block(Range r, F f) {
    for (i64 first = r.first; first < r.last; first += blas_block)
        f(first, first + blas_block < r.last ? blas_block : r.last - first);
}

}  // namespace backlit
