// launch_append_rows for tests: on a GPU append.cu, on the fake runtime runtime/append.cpp.
#pragma once

#include <kvstrata/layout/append_rows.hpp>

#include <cuda_runtime_api.h>

namespace kvstrata_test {

/// Throws as check(to, from) does.
cudaError_t append(cudaStream_t stream, const kvstrata::paged_layer& to, const kvstrata::new_rows& from);

}  // namespace kvstrata_test
