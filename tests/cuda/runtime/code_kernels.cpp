// The kernels that encode and decode on the fake runtime: as the host does it, on the stream's thread. (tests/codec holds the
// kernels' bodies to that.) A coder more is an instantiation more.
#include "cuda/runtime/machine.hpp"

#include <kvstrata/codec/exp4.hpp>
#include <kvstrata/codec/fp8.hpp>
#include <kvstrata/codec/int4.hpp>
#include <kvstrata/codec/int8.hpp>
#include <kvstrata/device/cuda/codes/code_kernels.hpp>

#include <memory>
#include <utility>
#include <vector>

namespace {

using namespace fake_runtime;

struct code_work
{
  std::vector<kvstrata::code_piece> pieces;
  kvstrata::code_counts* counts = nullptr;
};

/// Where the bytes are, on the stream's thread; false where some are nowhere.
bool resolve(code_work& all, std::size_t code_bytes)
{
  machine& m = machine::get();
  const std::lock_guard lock(m.mutex);
  if (m.broken != cudaSuccess) return false;
  bool found = true;
  const auto put = [&]<class T>(T*& at, std::size_t bytes) {
    if (at == nullptr) return;
    const location there = m.locate(at, bytes, "a code kernel");
    if (there.where == place::pageable) m.problem("a code kernel was given host memory that is not pinned");
    at = reinterpret_cast<T*>(there.at);
    found = found && at != nullptr;
  };
  for (kvstrata::code_piece& piece : all.pieces) {
    put(piece.raw, 1);
    put(piece.code, code_bytes);
    put(piece.elsewhere, 1);
  }
  put(all.counts, sizeof(*all.counts));
  return found;
}

}  // namespace

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::cuda {

template <list_coder Coder>
cudaError_t code_kernels<Coder>::launch(cudaStream_t stream, code_way way, const Coder& coder,
                                        std::span<const code_piece> pieces, std::uint32_t blocks, code_counts* counts)
{
  if (!are_aligned(pieces)) return cudaErrorMisalignedAddress;
  if (pieces.empty()) return cudaSuccess;
  const uncounted hidden;
  machine& m = machine::get();
  const std::lock_guard lock(m.mutex);
  const cudaError_t first = m.enter("cudaLaunchKernel");
  if (first == cudaSuccess && reinterpret_cast<stream_object*>(stream)->gpu != current_gpu()) {
    m.problem("a kernel was launched on a stream of another GPU than the current one");
  }
  if (first != cudaSuccess) {
    last_error() = first;
    return first;
  }
  m.code_launches.push_back({blocks, pieces.size()});
  const auto mine = std::make_shared<code_work>(code_work{{pieces.begin(), pieces.end()}, counts});
  m.queue(stream, "cudaLaunchKernel", [mine, coder, way] {
    if (!resolve(*mine, coder.code_bytes())) return;
    const code_counts found =
        way == code_way::encode ? encode_pieces(coder, mine->pieces) : decode_pieces(coder, mine->pieces);
    if (mine->counts != nullptr) *mine->counts += found;
  });
  return cudaSuccess;
}

template struct code_kernels<codec::exp4_coder>;
template struct code_kernels<codec::fp8::bound>;
template struct code_kernels<codec::int4::bound>;
template struct code_kernels<codec::int8::bound>;

}  // namespace kvstrata::cuda
