// What a pass needs of a machine: kernels and matrix products, queued on a stream of a kvstrata device.
//
// expression                          meaning
// ----------------------------------- -------------------------------------------------------------------------------
// typename R::device_type             the kvstrata::device whose streams and memory are used
// r.device() -> device_type&
// r.multiprocessors() -> uint32       how many blocks, at least, make it busy
// r.launch(stream, label, kernel)     queues a kernel (block.hpp); does not block; nothing for 0 blocks
// r.attend(stream, label, what, dim)  queues the attention kernel (attention.hpp) for heads of `dim` elements; does not
//                                     block; nothing for 0 tiles
// r.multiply(stream, label, product)  queues C = A B or C += A B; does not block; nothing for 0 rows
// r.zero(stream, data, bytes)         queues zeroing device memory; does not block
//
// Models: cuda_runner (cuda_runner.hpp: cuda_device, cuBLASLt) and emulated_runner (emulated_runner.hpp:
// emulated_device, kernels by emulated_block, plain loops). A runner may also want to be told what of the pages is
// touched: footprint.hpp.
#pragma once

#include "hstu/gpu/arguments.hpp"

#include <kvstrata/device/concepts.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hstu::gpu {

/// A is [rows][inner] and B [inner][columns] in bf16, sums are in float. C is one of the two, by rows: bf16,
/// overwritten; or float, added to.
struct product
{
  std::size_t rows = 0, columns = 0, inner = 0;
  rows_of<const bf16> a;
  rows_of<const bf16> b;
  rows_of<bf16> c;      ///< overwritten; null where sums is set
  rows_of<float> sums;  ///< added to; null where c is set
};

template <class R>
concept names_device = requires(R& r) {
  typename R::device_type;
  { r.device() } -> std::same_as<typename R::device_type&>;
  { r.multiprocessors() } -> std::same_as<std::uint32_t>;
} && kvstrata::device<typename R::device_type>;

template <class R>
concept multiplies = requires(R& r, kvstrata::stream_id stream, std::string_view label, const product& p) {
  r.multiply(stream, label, p);
};

template <class R>
concept attends = requires(R& r, kvstrata::stream_id stream, std::string_view label, const attention_arguments& what,
                           std::uint32_t head_dim) { r.attend(stream, label, what, head_dim); };

template <class R>
concept zeroes =
    requires(R& r, kvstrata::stream_id stream, std::byte* data, std::size_t bytes) { r.zero(stream, data, bytes); };

/// `launch` is a template and cannot be asked for here.
template <class R>
concept runner = names_device<R> && multiplies<R> && attends<R> && zeroes<R>;

}  // namespace hstu::gpu
