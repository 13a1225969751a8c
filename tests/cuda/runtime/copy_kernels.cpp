// The copy kernel on the fake runtime: the body of the real one, as a plain loop on the stream's thread.
#include "cuda/runtime/machine.hpp"

#include <kvstrata/core/host_memory.hpp>
#include <kvstrata/device/cuda/copy_kernels.hpp>
#include <kvstrata/device/cuda/copy_pieces.hpp>
#include <kvstrata/device/cuda/piece_table.hpp>

#include <memory>
#include <type_traits>

namespace {

using namespace fake_runtime;

/// The table with the places where its bytes are, on the stream's thread.
template <class Table>
void resolve(Table& table)
{
  machine& m = machine::get();
  const std::lock_guard lock(m.mutex);
  for (std::uint32_t i = 0; i < table.count; ++i) {
    auto& p = table.pieces[i];
    const location to = m.locate(p.dst, p.bytes, "a copy kernel");
    const location from = m.locate(p.src, p.bytes, "a copy kernel");
    if (to.where == place::pageable || from.where == place::pageable) {
      m.problem("a copy kernel was given host memory that is not pinned");
    }
    if (to.at == nullptr || from.at == nullptr) {
      table.count = 0;
      return;
    }
    p.dst = to.at;
    p.src = from.at;
  }
}

}  // namespace

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

template <class Tag>
cudaError_t copy_kernels<Tag>::launch(cudaStream_t stream, std::span<const copy_piece> pieces, std::uint32_t blocks)
{
  const uncounted hidden;
  cudaError_t first = cudaSuccess;
  each_piece_table(pieces, [&](const auto& table) {
    if (first != cudaSuccess) return;
    machine& m = machine::get();
    const std::lock_guard lock(m.mutex);
    first = m.enter("cudaLaunchKernel");
    if (first == cudaSuccess && reinterpret_cast<stream_object*>(stream)->gpu != current_gpu()) {
      m.problem("a kernel was launched on a stream of another GPU than the current one");
    }
    if (first != cudaSuccess) {
      last_error() = first;
      return;
    }
    using table_type = std::remove_cvref_t<decltype(table)>;
    const auto mine = std::make_shared<table_type>(table);
    m.queue(stream, "cudaLaunchKernel", [mine, blocks] {
      {
        machine& all = machine::get();
        const std::lock_guard guard(all.mutex);
        if (all.broken != cudaSuccess) return;
      }
      resolve(*mine);
      if (mine->count == 0) return;
      const std::uint32_t grid = busy_blocks(mine->units, blocks);
      for (std::uint32_t b = 0; b < grid; ++b) {
        for (std::uint32_t t = 0; t < copy_threads; ++t) copy_pieces<table_type, host_memory>{*mine}(b, grid, t);
      }
    });
  });
  return first;
}

template struct copy_kernels<>;

}  // namespace kvstrata::cuda
