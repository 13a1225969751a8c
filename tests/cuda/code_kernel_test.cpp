// The kernels that encode and decode, behind code_kernels::launch: they do what the host does.
#include "support/catch.hpp"

#include <kvstrata/codec/exp4.hpp>
#include <kvstrata/device/cuda/codes/exp4_kernels.hpp>
#include <kvstrata/device/cuda/codes/fp8_kernels.hpp>
#include <kvstrata/device/cuda/codes/int4_kernels.hpp>
#include <kvstrata/device/cuda/codes/int8_kernels.hpp>
#include <kvstrata/device/cuda_device.hpp>

#include <cstring>
#include <random>
#include <vector>

using namespace kvstrata;
using codec::exp4;
using codec::exp4_coder;

namespace {

/// Some bytes, in device or pinned memory.
struct place
{
  place(cuda_device& d, stream_id stream, std::size_t bytes, bool pinned_only)
      : device(d),
        on(stream),
        is_pinned(pinned_only),
        memory(pinned_only ? d.allocate_pinned(bytes, "codes") : d.allocate_device(bytes, "codes")),
        staged(d.allocate_pinned(bytes, "staged"))
  {
  }
  void put(const std::vector<std::byte>& bytes)
  {
    std::memcpy(pinned().data(), bytes.data(), bytes.size());
    if (!is_pinned) device.copy(on, copy_direction::to_device, memory.data(), staged.data(), bytes.size());
    device.wait_sync(device.record(on));
  }
  [[nodiscard]] std::vector<std::byte> look()
  {
    if (!is_pinned) device.copy(on, copy_direction::from_device, staged.data(), memory.data(), memory.size());
    device.wait_sync(device.record(on));
    return {pinned().data(), pinned().data() + pinned().size()};
  }
  [[nodiscard]] cuda_device::memory& pinned() { return is_pinned ? memory : staged; }

  cuda_device& device;
  stream_id on;
  bool is_pinned;
  cuda_device::memory memory;
  cuda_device::memory staged;
};

/// Pieces of which most have a code, some do not, and some are not whole: there and back.
template <page_codec C = exp4>
void code_and_compare(const piece_shape& shape, std::uint32_t count, std::uint32_t blocks,
                      const typename C::config& told = {})
{
  using coder_type = coder_of<C>;
  const coder_type coder = C::coder(shape, told);
  REQUIRE(shape.bytes() % 16 == 0);
  std::mt19937 draw(count);
  std::vector<std::byte> raw(shape.bytes() * count), code(coder.code_bytes() * count, std::byte{0x77});
  std::vector<std::byte> elsewhere(raw.size(), std::byte{0x66});
  const std::size_t width = bytes_of(shape.element);
  for (std::size_t i = 0; i < raw.size(); i += width) {
    const bool is_odd = draw() % (i / shape.bytes() % 4 == 1 ? 100 : 2000) == 0;
    const std::size_t exponent = is_odd ? draw() % 256 : 116 + draw() % 15;
    const auto top = static_cast<std::uint16_t>((draw() & 0x807F) | exponent << 7);
    for (std::size_t b = 0; b + 2 < width; ++b) raw[i + b] = static_cast<std::byte>(draw());
    std::memcpy(raw.data() + i + width - 2, &top, sizeof(top));
  }
  const auto pieces_at = [&](std::byte* r, std::byte* c, std::byte* e) {
    std::vector<code_piece> out;
    for (std::size_t i = 0; i < count; ++i) {
      out.push_back({r + i * shape.bytes(), c + i * coder.code_bytes(), i % 5 == 4 ? nullptr : e + i * shape.bytes(),
                     i % 7 != 3});
    }
    return out;
  };

  cuda_device d;
  const stream_id stream = d.create_stream("codes");
  place of_raw(d, stream, raw.size(), false), of_code(d, stream, code.size(), true);
  place of_elsewhere(d, stream, elsewhere.size(), true);
  const auto counts = d.allocate_pinned(sizeof(code_counts), "counts");
  of_raw.put(raw);
  of_code.put(code);
  of_elsewhere.put(elsewhere);
  const auto on_gpu = pieces_at(of_raw.memory.data(), of_code.memory.data(), of_elsewhere.memory.data());
  const auto on_host = pieces_at(raw.data(), code.data(), elsewhere.data());
  const auto run = [&](code_way way) {
    std::memset(counts.data(), 0, sizeof(code_counts));
    d.launch(stream, {"codes"}, [&](cudaStream_t s) {
      auto* const to = reinterpret_cast<code_counts*>(counts.data());
      REQUIRE(cuda::code_kernels<coder_type>::launch(s, way, coder, on_gpu, blocks, to) == cudaSuccess);
    });
    d.wait_sync(d.record(stream));
    code_counts found;
    std::memcpy(&found, counts.data(), sizeof(found));
    return found;
  };

  const code_counts encoded = encode_pieces(coder, on_host);
  CHECK(run(code_way::encode) == encoded);
  CHECK(encoded.raw != 0);
  CHECK(of_code.look() == code);
  CHECK(of_elsewhere.look() == elsewhere);

  std::fill(raw.begin(), raw.end(), std::byte{0x11});
  of_raw.put(raw);
  std::fill_n(code.begin(), 8, std::byte{0xEE});  // the first piece is malformed
  of_code.put(code);
  const code_counts decoded = decode_pieces(coder, on_host);
  CHECK(run(code_way::decode) == decoded);
  CHECK(decoded.faults != 0);
  CHECK(of_raw.look() == raw);
}

}  // namespace

TEST_CASE("code kernels: pages become what they become on the host, and come back")
{
  code_and_compare({32, 4, 64, element_type::bf16}, 40, 4);
  code_and_compare({32, 4, 64, element_type::bf16}, 100, 500);
  code_and_compare({20, 4, 64, element_type::f32}, 12, 7);
  code_and_compare({33, 1, 4, element_type::bf16}, 30, 2);  // groups behind no tile, the last one in part
  code_and_compare({33, 1, 2, element_type::f32}, 9, 1);
}

TEST_CASE("code kernels: lossy codecs do on a GPU what they do on the host")
{
  for (const element_type element : {element_type::bf16, element_type::f16, element_type::f32}) {
    for (const piece_shape shape : {piece_shape{32, 4, 64, element}, piece_shape{8, 3, 5, element}}) {
      code_and_compare<codec::int8>(shape, 20, 7);
      code_and_compare<codec::int8>(shape, 20, 30, {codec::silu_minimum});
      code_and_compare<codec::fp8>(shape, 20, 7);
      code_and_compare<codec::fp8>(shape, 20, 7, {false});
      code_and_compare<codec::int4>(shape, 20, 7);
      code_and_compare<codec::int4>(shape, 20, 7, {codec::silu_minimum});
    }
  }
}

TEST_CASE(
    "code kernels: no pieces queue nothing, and pieces that are not aligned are refused before anything is queued")
{
  cuda_device d;
  const stream_id stream = d.create_stream("codes");
  const exp4_coder coder = exp4::coder({32, 4, 64, element_type::bf16}, {});
  const auto memory = d.allocate_pinned(1 << 17, "codes");
  const auto launched = [&](std::vector<code_piece> pieces) {
    cudaError_t said = cudaSuccess;
    d.launch(stream, {"codes"}, [&](cudaStream_t s) {
      said = cuda::code_kernels<exp4_coder>::launch(s, code_way::encode, coder, pieces, 1, nullptr);
    });
    return said;
  };
  std::byte* const at = memory.data();
  CHECK(launched({}) == cudaSuccess);
  CHECK(launched({{at + 2, at + 65536, nullptr, true}}) == cudaErrorMisalignedAddress);
  CHECK(launched({{at, at + 65544, nullptr, true}}) == cudaErrorMisalignedAddress);
  CHECK(launched({{at, at + 65536, at + 98312, true}}) == cudaErrorMisalignedAddress);
  CHECK_NOTHROW(d.wait_sync(d.record(stream)));
}
