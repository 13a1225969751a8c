#include "hstu/packed_matrix.hpp"

#include "hstu/elementwise.hpp"
#include "hstu/one_thread.hpp"
#include "hstu/onednn.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace hstu {
namespace {

using dims = dnnl::memory::dims;

constexpr std::size_t most_rows = 256;  // of a kernel; there is one for every power of two up to it
constexpr std::size_t kernels = 9;
static_assert(std::size_t{1} << (kernels - 1) == most_rows);

// A product and the memory it wants.
struct kernel
{
  dnnl::matmul product;
  dnnl::memory::desc a, c, scratch;
};

}  // namespace

struct packed_matrix::state
{
  std::size_t inner = 0, columns = 0;
  precision in = precision::f32;
  store how = store::assign;
  bool packed = false;  // or by rows, spread_stride() apart, where oneDNN has nothing better
  dnnl::memory::desc layout;
  buffer values;
  std::array<kernel, kernels> of_rows;  // [r]: 2^r rows
  std::size_t scratch_floats = 0;       // the most that one wants, in whole cache lines

  [[nodiscard]] dnnl::memory::data_type type() const
  {
    return in == precision::bf16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
  }

  void multiply(std::size_t rows, const float* a, float* c, buffer& scratch) const;

  // `asked`: how the matrix is to lie, or any way.
  kernel make_kernel(std::size_t rows, const dnnl::memory::desc& asked, dnnl::memory::desc& found) const
  {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    if (how == store::add) {
      dnnl::post_ops adds;
      adds.append_sum(1.0f);
      attributes.set_post_ops(adds);
    }
    using onednn::size;
    const dnnl::memory::desc a({size(rows), size(inner)}, type(), dims{size(inner), 1});
    const dnnl::memory::desc c({size(rows), size(columns)}, dnnl::memory::data_type::f32, dims{size(columns), 1});
    const auto what = onednn::product_of(a, asked, c, attributes);
    found = what.weights_desc();
    return {dnnl::matmul(what), a, c, what.scratchpad_desc()};
  }
};

void packed_matrix::state::multiply(std::size_t rows, const float* a, float* c, buffer& scratch) const
{
  using namespace onednn;
  if (!packed && in == precision::f32) {
    hstu::multiply(rows, columns, inner, {a, inner}, {values.data(), spread_stride(columns)}, {c, columns}, how);
    return;
  }
  // First what the kernels want for themselves, then the rows as they read them.
  float* const own = scratch.reserve(scratch_floats + (in == precision::f32 ? 0 : (rows * inner + 1) / 2));
  auto* const rounded = reinterpret_cast<std::uint16_t*>(own + scratch_floats);
  if (in == precision::bf16) best_elementwise().round(rounded, a, rows * inner);
  const std::size_t element = in == precision::f32 ? sizeof(float) : sizeof(std::uint16_t);
  const auto* from =
      in == precision::f32 ? reinterpret_cast<const std::byte*>(a) : reinterpret_cast<const std::byte*>(rounded);
  const dnnl::memory weights = memory_at(layout, values.data());
  for (std::size_t r = kernels; rows != 0;) {
    if (std::size_t{1} << (r - 1) > rows) {
      --r;
      continue;
    }
    const std::size_t taken = std::size_t{1} << (r - 1);
    const kernel& one = of_rows[r - 1];
    one.product.execute(stream(), {{DNNL_ARG_SRC, memory_at(one.a, from)},
                                   {DNNL_ARG_WEIGHTS, weights},
                                   {DNNL_ARG_DST, memory_at(one.c, c)},
                                   {DNNL_ARG_SCRATCHPAD, memory_at(one.scratch, own)}});
    from += taken * inner * element;
    c += taken * columns;
    rows -= taken;
  }
}

packed_matrix::packed_matrix() : state_(std::make_unique<state>()) {}
packed_matrix::~packed_matrix() = default;
packed_matrix::packed_matrix(packed_matrix&&) noexcept = default;
packed_matrix& packed_matrix::operator=(packed_matrix&&) noexcept = default;

packed_matrix::packed_matrix(std::size_t inner, std::size_t columns, matrix<const float> from, precision in, store how)
    : packed_matrix()
{
  state& s = *state_;
  s.inner = inner;
  s.columns = columns;
  s.in = in;
  s.how = how;
  if (columns == 0) return;
  const one_thread guard;
  onednn::checked(most_rows, columns, inner, [&] {
    using onednn::size;
    const dims sizes{size(inner), size(columns)};
    dnnl::memory::desc asked(sizes, s.type(), dnnl::memory::format_tag::any);
    for (std::size_t r = kernels; r-- > 0;) {
      s.of_rows[r] = s.make_kernel(std::size_t{1} << r, asked, s.layout);
      asked = s.layout;
      s.scratch_floats = (std::max)(s.scratch_floats, (s.of_rows[r].scratch.get_size() + 63) / 64 * 16);
    }
    s.packed = s.layout != dnnl::memory::desc(sizes, s.type(), dnnl::memory::format_tag::ab);
    if (!s.packed && in == precision::f32) s.layout = {sizes, s.type(), dims{size(spread_stride(columns)), 1}};
    const dnnl::memory given = onednn::memory_at(
        dnnl::memory::desc(sizes, dnnl::memory::data_type::f32, dims{size(from.stride), 1}), from.data);
    const dnnl::memory own =
        onednn::memory_at(s.layout, s.values.reserve((s.layout.get_size() + sizeof(float) - 1) / sizeof(float)));
    dnnl::reorder(given, own).execute(onednn::stream(), {{DNNL_ARG_FROM, given}, {DNNL_ARG_TO, own}});
  });
}

void packed_matrix::multiply(std::size_t rows, const float* a, float* c, buffer& scratch) const
{
  const state& s = *state_;
  if (rows == 0 || s.columns == 0) return;
  onednn::checked(rows, s.columns, s.inner, [&] { s.multiply(rows, a, c, scratch); });
}

bool packed_matrix::wants_many_rows() const { return state_->columns != 0 && !state_->packed; }

}  // namespace hstu
