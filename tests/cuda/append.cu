#include "cuda/append.hpp"

#include <kvstrata/layout/append_rows.cuh>

namespace kvstrata_test {

cudaError_t append(cudaStream_t stream, const kvstrata::paged_layer& to, const kvstrata::new_rows& from)
{
  return kvstrata::launch_append_rows(stream, to, from);
}

}  // namespace kvstrata_test
