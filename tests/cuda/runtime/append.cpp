// The kernel of append_rows on the fake runtime: its body as a plain loop on the stream's thread.
#include "cuda/append.hpp"

#include "cuda/runtime/machine.hpp"

#include <kvstrata/core/host_memory.hpp>

#include <memory>

namespace kvstrata_test {

namespace {

using body = kvstrata::append_rows<kvstrata::host_memory>;

/// Where the bytes behind an address of the GPU are.
template <class T>
void resolve(T*& at)
{
  const fake_runtime::location found = fake_runtime::machine::get().locate(at, 1, "append_rows");
  at = reinterpret_cast<T*>(found.at);
}

}  // namespace

cudaError_t append(cudaStream_t stream, const kvstrata::paged_layer& to, const kvstrata::new_rows& from)
{
  check(to, from);
  if (from.rows == 0) return cudaSuccess;
  auto mine = std::make_unique<body>(body{.to = to, .from = from, .width = append_width(to, from)});
  const auto run = [](void* data) {
    const std::unique_ptr<body> all(static_cast<body*>(data));
    {
      const std::lock_guard lock(fake_runtime::machine::get().mutex);
      resolve(all->to.page_ids);
      resolve(all->to.indptr);
      resolve(all->to.base);
      resolve(all->from.keys);
      resolve(all->from.values);
      resolve(all->from.requests);
      resolve(all->from.positions);
    }
    const std::uint32_t blocks = all->blocks();
    for (std::uint32_t b = 0; b < blocks; ++b) {
      for (std::uint32_t t = 0; t < kvstrata::append_threads; ++t) (*all)(b, blocks, t);
    }
  };
  const cudaError_t queued = cudaLaunchHostFunc(stream, run, mine.get());
  if (queued == cudaSuccess) static_cast<void>(mine.release());
  return queued;
}

}  // namespace kvstrata_test
