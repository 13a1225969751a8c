// Both stages of attention on emulated blocks, beside attention at once in double precision on the same bf16 numbers.
#include "decoder/gpu/own_stage.hpp"
#include "decoder/gpu/shared_stage.hpp"
#include "hstu/gpu/emulated_block.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/host_memory.hpp>
#include <kvstrata/layout/page_table.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numbers>
#include <random>
#include <vector>

using namespace decoder::gpu;
using hstu::gpu::to_bf16;
using hstu::gpu::to_float;

namespace {

constexpr bf16 poison{0xFFFF};

// On 16 bytes, as a device's memory.
template <class T>
class array
{
 public:
  array(std::size_t count, T value) : all_(count + 16 / sizeof(T), value)
  {
    while (kvstrata::host_memory::address(reinterpret_cast<const std::byte*>(all_.data() + skip_)) % 16 != 0) ++skip_;
  }
  [[nodiscard]] T* data() { return all_.data() + skip_; }
  [[nodiscard]] T& operator[](std::size_t i) { return all_[skip_ + i]; }

 private:
  std::vector<T> all_;
  std::size_t skip_ = 0;
};

// Pages of some requests, shuffled, poisoned but for the windows.
struct paged
{
  kvstrata::page_table table;
  std::vector<std::int32_t> origins;
  array<bf16> slab;
  kvstrata::page_table_view view;

  paged(std::mt19937& random, const kvstrata::geometry& shape, std::uint32_t page_tokens,
        const std::vector<kvstrata::token_interval>& windows)
      : slab(1, poison)
  {
    std::uint32_t pages = 3;
    for (const auto w : windows) pages += kvstrata::pages_of(w, page_tokens).size();
    std::vector<kvstrata::page_id> ids;
    for (std::uint32_t i = 0; i < pages; ++i) ids.push_back(kvstrata::to_page(i));
    std::shuffle(ids.begin(), ids.end(), random);
    std::span<const kvstrata::page_id> free = ids;
    for (const auto w : windows) {
      const auto mine = kvstrata::pages_of(w, page_tokens).size();
      table.add(free.first(mine), w.begin, w.end, page_tokens);
      free = free.subspan(mine);
    }
    const std::size_t page = page_tokens * shape.token_layer_bytes();
    slab = array<bf16>(pages * page / 2, poison);
    view = table.view(reinterpret_cast<std::byte*>(slab.data()), {pages * page, page}, shape, page_tokens);
    std::normal_distribution<float> normal;
    for (std::size_t r = 0; r < windows.size(); ++r) {
      origins.push_back(view.origin(r));
      for (auto t = windows[r].begin; t < windows[r].end; ++t) {
        for (std::uint32_t i = 0; i < shape.kv_heads * shape.head_dim; ++i) {
          key(r, t)[i] = to_bf16(normal(random));
          value(r, t)[i] = to_bf16(normal(random));
        }
      }
    }
  }
  [[nodiscard]] bf16* key(std::size_t r, std::uint32_t t) { return reinterpret_cast<bf16*>(view.key(0, r, t)); }
  [[nodiscard]] bf16* value(std::size_t r, std::uint32_t t)
  {
    return reinterpret_cast<bf16*>(view.key(0, r, t) + view.value_offset());
  }
  [[nodiscard]] kvstrata::paged_layer layer()
  {
    return kvstrata::layer_of(view, 0, view.page_ids.data(), kvstrata::page_origins{origins.data()});
  }
};

struct exact
{
  std::vector<double> o;
  double lse = -std::numeric_limits<double>::infinity();
};

exact attend(const bf16* query, std::uint32_t dim, const std::vector<const bf16*>& keys,
             const std::vector<const bf16*>& values)
{
  exact out{std::vector<double>(dim, 0.0)};
  std::vector<double> weights;
  double sum = 0;
  for (const bf16* key : keys) {
    double dot = 0;
    for (std::uint32_t d = 0; d < dim; ++d)
      dot += static_cast<double>(to_float(query[d])) * static_cast<double>(to_float(key[d]));
    weights.push_back(std::exp(dot / std::sqrt(static_cast<double>(dim))));
    sum += weights.back();
  }
  for (std::size_t k = 0; k < keys.size(); ++k) {
    for (std::uint32_t d = 0; d < dim; ++d) out.o[d] += weights[k] / sum * static_cast<double>(to_float(values[k][d]));
  }
  if (!keys.empty()) out.lse = std::log2(sum);
  return out;
}

template <std::uint32_t Dim>
void run(unsigned seed, const std::vector<kvstrata::token_interval>& windows, const std::vector<std::uint32_t>& widths,
         std::uint32_t own)
{
  constexpr std::uint32_t heads = 2;
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  const kvstrata::geometry shape{
      .layers = 1, .kv_heads = heads, .head_dim = Dim, .element = kvstrata::element_type::bf16};
  paged prompts(random, shape, 8, windows);
  paged scratch(random, shape, 4, std::vector<kvstrata::token_interval>(windows.size(), {0, 40}));
  std::vector<std::uint32_t> requests, own_rows;
  std::vector<stage_tile> tiles;
  for (std::uint32_t r = 0; r < widths.size(); ++r) {
    for (std::uint32_t first = 0; first < widths[r]; first += rows_of_tile) {
      tiles.push_back({r, static_cast<std::uint32_t>(requests.size()), std::min(rows_of_tile, widths[r] - first),
                       windows[r].begin, windows[r].end});
      requests.insert(requests.end(), tiles.back().rows, r);
    }
  }
  const auto rows = static_cast<std::uint32_t>(requests.size());
  for (std::uint32_t i = 0; i < rows * own; ++i) own_rows.push_back(static_cast<std::uint32_t>(random() % 40));
  constexpr std::uint64_t stride = 3 * heads * Dim;
  array<bf16> queries(rows * stride, poison);
  for (std::uint32_t r = 0; r < rows; ++r) {
    for (std::uint32_t i = 0; i < heads * Dim; ++i) queries[r * stride + i] = to_bf16(normal(random));
  }
  constexpr float no_float = std::numeric_limits<float>::quiet_NaN();
  array<float> o(std::size_t{rows} * heads * Dim, no_float), lse(std::size_t{rows} * heads, no_float);
  array<bf16> outputs(std::size_t{rows} * heads * Dim, poison);

  shared_stage_kernel<Dim> shared;
  stage_arguments& a = shared.a;
  a.queries = queries.data();
  a.query_stride = stride;
  a.rows = rows;
  a.heads = heads;
  a.scale = std::numbers::log2e_v<float> / std::sqrt(static_cast<float>(Dim));
  a.tiles = tiles.data();
  a.tile_count = static_cast<std::uint32_t>(tiles.size());
  a.prompts = prompts.layer();
  a.scratch = scratch.layer();
  a.requests = requests.data();
  a.own_rows = own_rows.data();
  a.own = own;
  a.o = o.data();
  a.lse = lse.data();
  a.outputs = outputs.data();
  hstu::gpu::run_emulated(shared);
  own_stage_kernel<Dim> own_stage;
  own_stage.last_row = rows * heads;
  own_stage.a = a;
  hstu::gpu::run_emulated(own_stage);

  for (std::uint32_t row = 0; row < rows; ++row) {
    const std::uint32_t r = requests[row];
    for (std::uint32_t head = 0; head < heads; ++head) {
      std::vector<const bf16*> keys, values;
      for (auto t = windows[r].begin; t < windows[r].end; ++t) {
        keys.push_back(prompts.key(r, t) + head * Dim);
        values.push_back(prompts.value(r, t) + head * Dim);
      }
      const std::uint32_t item = row * heads + head;
      const bf16* query = queries.data() + row * stride + head * Dim;
      const exact prompt = attend(query, Dim, keys, values);
      if (keys.empty()) REQUIRE(lse[item] == -std::numeric_limits<float>::infinity());
      else REQUIRE(std::abs(static_cast<double>(lse[item]) - prompt.lse) < 1e-4);
      for (std::uint32_t s = 0; s < own; ++s) {
        keys.push_back(scratch.key(r, own_rows[row * own + s]) + head * Dim);
        values.push_back(scratch.value(r, own_rows[row * own + s]) + head * Dim);
      }
      const exact all = attend(query, Dim, keys, values);
      // The prompt's weights are rounded to bf16, and so is the output: relative to their lengths.
      double apart[2] = {0, 0}, length[2] = {0, 0};
      for (std::uint32_t d = 0; d < Dim; ++d) {
        const double stage = static_cast<double>(o[item * Dim + d]) - prompt.o[d];
        const double both = static_cast<double>(to_float(outputs[item * Dim + d])) - all.o[d];
        apart[0] += stage * stage;
        apart[1] += both * both;
        length[0] += prompt.o[d] * prompt.o[d];
        length[1] += all.o[d] * all.o[d];
      }
      if (!windows[r].empty()) REQUIRE(std::sqrt(apart[0] / length[0]) < 4e-3);
      else REQUIRE(apart[0] == 0);
      REQUIRE(std::sqrt(apart[1] / length[1]) < 6e-3);
    }
  }
}

}  // namespace

TEST_CASE("stages on a device: prompts of any length, windows, tiles that are not full")
{
  run<64>(1, {{0, 70}}, {5}, 1);
  run<64>(2, {{0, 0}, {0, 1}, {3, 64}, {11, 140}}, {3, 64, 65, 1}, 3);
  run<64>(3, {{0, 128}, {0, 129}}, {16, 17}, 2);
}

TEST_CASE("stages on a device: wide heads") { run<128>(4, {{0, 100}, {7, 9}}, {20, 2}, 4); }
