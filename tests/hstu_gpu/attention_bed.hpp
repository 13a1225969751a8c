// Attention to try: random requests, their pages, rows and tiles as the kernel gets them, all in host memory, and what
// should come out, in double precision. Everything that the kernel must not read is NaN, everything that it must not
// write is known.
#pragma once

#include "hstu/bias.hpp"
#include "hstu/gpu/arguments.hpp"
#include "hstu/gpu/attention_parts.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

namespace hstu_gpu_test {

using hstu::gpu::bf16;

struct attention_request
{
  std::uint32_t history = 0;            // keys
  std::vector<std::uint32_t> computed;  // positions of history rows, ascending
  std::uint32_t candidates = 0;
  std::uint32_t hidden = 0;  // keys in front that nobody sees

  // What rows see, the computed ones and then the candidates; empty: what a causal history shows. Keys that no row sees are
  // NaN then. And where a second stretch of keys begins on a page of its own: [gap.begin, gap.end) are no keys.
  std::vector<std::uint32_t> visible{};
  hstu::gpu::key_gap gap{};
};

struct attention_shape
{
  std::uint32_t heads = 1;
  std::uint32_t head_dim = 64;
  std::uint32_t page_tokens = 32;
  std::uint32_t distances = 0;
  std::uint32_t times = 0;
  std::uint32_t tile_rows = 128;  // of a tile at most
  std::uint32_t parts = 1;
  double steps = 4;  // the logarithm of the most seconds from event to event
};

inline std::vector<std::uint32_t> positions_in(std::uint32_t begin, std::uint32_t end)
{
  std::vector<std::uint32_t> out(end - begin);
  std::iota(out.begin(), out.end(), begin);
  return out;
}

class attention_bed
{
 public:
  static constexpr std::uint16_t poison = 0xffff;  // NaN

  attention_bed(const attention_shape& shape, std::vector<attention_request> requests, unsigned seed)
      : shape_(shape), requests_(std::move(requests)), random_(seed), width_(shape.heads * shape.head_dim)
  {
    make_rows();
    make_pages();
    make_bias();
    make_tiles();
  }

  /// place(vector) -> where its elements are for the kernel.
  template <class Place>
  [[nodiscard]] hstu::gpu::attention_arguments arguments(Place&& place)
  {
    const std::size_t stride = query_stride();
    const std::size_t own = first_candidate_ * stride;
    hstu::gpu::attention_arguments a;
    bf16* projected = place(projected_);
    a.queries = {projected + width_, stride};
    a.outputs = {place(outputs_), output_stride()};
    a.candidate_keys = {projected + own + 2 * width_, stride};
    a.candidate_values = {projected + own + 3 * width_, stride};
    a.pages.page_ids = place(page_ids_);
    a.pages.indptr = place(indptr_);
    hidden_.clear();
    for (const attention_request& r : requests_) hidden_.push_back(r.hidden);
    if (std::any_of(hidden_.begin(), hidden_.end(), [](std::uint32_t h) { return h != 0; })) {
      a.pages.hidden = place(hidden_);
    }
    gaps_.clear();
    for (const attention_request& r : requests_) gaps_.push_back(r.gap);
    if (std::any_of(gaps_.begin(), gaps_.end(), [](hstu::gpu::key_gap g) { return g.end != g.begin; })) {
      a.pages.gaps = place(gaps_);
    }
    a.pages.base = reinterpret_cast<std::byte*>(place(pages_));
    a.pages.page_stride = page_elements() * sizeof(bf16);
    a.pages.page_tokens = shape_.page_tokens;
    a.pages.width = width_;
    if (shape_.distances != 0) a.bias.by_distance = place(by_distance_);
    a.bias.distances = shape_.distances;
    if (shape_.times != 0) {
      a.bias.by_time = place(by_time_);
      a.bias.times = shape_.times;
      a.bias.least_seconds = place(least_seconds_);
      a.bias.event_times = place(event_times_);
      a.bias.first_event = place(first_event_);
      a.bias.row_times = place(row_times_);
    }
    a.tiles = place(tiles_);
    a.tile_rows = place(tile_rows_);
    a.visible = place(visible_);
    if (visible_ != positions_) a.positions = place(positions_);
    a.tile_count = static_cast<std::uint32_t>(tiles_.size());
    a.first_candidate = static_cast<std::uint32_t>(first_candidate_);
    a.heads = shape_.heads;
    a.factor = factor;
    a.parts = shape_.parts;
    if (shape_.parts > 1) {
      part_sums_.assign(hstu::gpu::part_floats(shape_.parts, tiles_.size(), width_),
                        std::numeric_limits<float>::quiet_NaN());
      a.part_sums = place(part_sums_);
    }
    return a;
  }

  [[nodiscard]] std::vector<bf16>& outputs() { return outputs_; }
  [[nodiscard]] std::uint32_t head_dim() const { return shape_.head_dim; }
  [[nodiscard]] std::size_t tiles() const { return tiles_.size(); }
  [[nodiscard]] std::size_t rows() const { return positions_.size(); }

  /// Takes a tile away: its rows shall not be computed.
  void drop_tile(std::size_t i) { tiles_.erase(tiles_.begin() + static_cast<std::ptrdiff_t>(i)); }

  /// The largest error of a row and head, as a share of the norm of what it should be; infinite where something is
  /// wrong with a byte that should not have been written, or a result is no number.
  [[nodiscard]] double worst_error() const
  {
    std::vector<char> computed(positions_.size(), 0);
    double worst = 0;
    for (const hstu::query_tile& tile : tiles_) {
      for (std::uint32_t i = 0; i < tile.count; ++i) {
        const std::uint32_t row = tile_rows_[tile.first + i];
        computed[row] = 1;
        for (std::uint32_t head = 0; head < shape_.heads; ++head) {
          const double error = error_of(tile.request, row, head);
          if (!(error <= worst)) worst = std::isnan(error) ? HUGE_VAL : error;
        }
      }
    }
    for (std::size_t row = 0; row < positions_.size(); ++row) {
      for (std::size_t i = computed[row] != 0 ? width_ : 0; i < output_stride(); ++i) {
        if (outputs_[row * output_stride() + i].bits != poison) return HUGE_VAL;
      }
    }
    return worst;
  }

 private:
  static constexpr float factor = 1.0f / 512;

  [[nodiscard]] std::size_t query_stride() const { return 4 * std::size_t{width_}; }
  [[nodiscard]] std::size_t output_stride() const { return std::size_t{width_} + 8; }
  [[nodiscard]] std::size_t page_elements() const { return (2 * std::size_t{shape_.page_tokens} + 1) * width_; }
  [[nodiscard]] bool is_candidate(std::size_t row) const { return row >= first_candidate_; }

  [[nodiscard]] std::uint32_t end_of(std::size_t row) const
  {
    return visible_[row] + (!is_candidate(row) && positions_[row] == visible_[row] ? 1 : 0);
  }

  bf16 random_bf16(double deviation) { return hstu::gpu::to_bf16(static_cast<float>(normal_(random_) * deviation)); }

  void make_rows()
  {
    for (const attention_request& r : requests_) {
      for (const std::uint32_t p : r.computed) positions_.push_back(p);
    }
    first_candidate_ = positions_.size();
    for (const attention_request& r : requests_) positions_.insert(positions_.end(), r.candidates, r.history);
    visible_ = positions_;
    std::size_t of_page = 0;
    std::size_t of_none = first_candidate_;
    for (const attention_request& r : requests_) {
      for (std::size_t i = 0; i < r.visible.size(); ++i) {
        visible_[i < r.computed.size() ? of_page + i : of_none + i - r.computed.size()] = r.visible[i];
      }
      of_page += r.computed.size();
      of_none += r.candidates;
    }
    projected_.assign(positions_.size() * query_stride() + 8, bf16{poison});
    outputs_.assign(positions_.size() * output_stride() + 8, bf16{poison});
    // Scores with a deviation of about 2: silu in all its parts.
    const double deviation = std::sqrt(2 / std::sqrt(static_cast<double>(shape_.head_dim)));
    for (std::size_t row = 0; row < positions_.size(); ++row) {
      bf16* part = &projected_[row * query_stride()];
      for (std::size_t i = 0; i < width_; ++i) {
        part[width_ + i] = random_bf16(deviation);
        if (!is_candidate(row)) continue;
        part[2 * width_ + i] = random_bf16(deviation);
        part[3 * width_ + i] = random_bf16(1);
      }
    }
  }

  void make_pages()
  {
    const double deviation = std::sqrt(2 / std::sqrt(static_cast<double>(shape_.head_dim)));
    std::size_t count = 0;
    for (const attention_request& r : requests_) count += (r.history + shape_.page_tokens - 1) / shape_.page_tokens;
    page_ids_.resize(count);
    std::iota(page_ids_.begin(), page_ids_.end(), 1u);  // page 0 is nobody's
    std::shuffle(page_ids_.begin(), page_ids_.end(), random_);
    pages_.assign((count + 1) * page_elements(), bf16{poison});
    indptr_.assign(1, 0);
    for (std::uint32_t number = 0; number < requests_.size(); ++number) {
      const std::uint32_t history = requests_[number].history;
      for (std::uint32_t token = requests_[number].hidden; token < history; ++token) {
        if (!is_seen(requests_[number], token)) continue;
        for (std::size_t i = 0; i < width_; ++i) {
          key(number, token)[i] = random_bf16(deviation);
          value(number, token)[i] = random_bf16(1);
        }
      }
      const auto pages = (history + shape_.page_tokens - 1) / shape_.page_tokens;
      indptr_.push_back(indptr_.back() + static_cast<std::int32_t>(pages));
    }
  }

  void make_bias()
  {
    std::uniform_real_distribution<float> number(-1, 1);
    std::uniform_real_distribution<double> logarithm(-2, shape_.steps);
    for (std::uint32_t i = 0; i < shape_.heads * shape_.distances; ++i) by_distance_.push_back(number(random_));
    for (std::uint32_t i = 0; i < shape_.heads * shape_.times; ++i) by_time_.push_back(number(random_));
    for (std::uint32_t b = 0; b < shape_.times; ++b) least_seconds_.push_back(hstu::least_seconds(b));
    if (shape_.times != 0) least_seconds_[0] = INT64_MIN;
    std::vector<std::int64_t> candidate_times;
    first_event_.assign(1, 0);
    for (const attention_request& r : requests_) {
      std::int64_t now = 1'000'000'000;
      for (std::uint32_t e = 0; 2 * e < r.history; ++e) {
        now += static_cast<std::int64_t>(std::exp(logarithm(random_)));
        event_times_.push_back(now);
      }
      for (const std::uint32_t p : r.computed) row_times_.push_back(event_times_[first_event_.back() + p / 2]);
      candidate_times.insert(candidate_times.end(), r.candidates,
                             now + static_cast<std::int64_t>(std::exp(logarithm(random_))));
      first_event_.push_back(static_cast<std::uint32_t>(event_times_.size()));
    }
    row_times_.insert(row_times_.end(), candidate_times.begin(), candidate_times.end());
  }

  void make_tiles()
  {
    std::uint32_t history_row = 0;
    auto candidate = static_cast<std::uint32_t>(first_candidate_);
    for (std::uint32_t number = 0; number < requests_.size(); ++number) {
      const auto begin = static_cast<std::uint32_t>(tile_rows_.size());
      for (std::size_t i = 0; i < requests_[number].computed.size(); ++i) tile_rows_.push_back(history_row++);
      for (std::uint32_t i = 0; i < requests_[number].candidates; ++i) tile_rows_.push_back(candidate++);
      std::stable_sort(tile_rows_.begin() + begin, tile_rows_.end(), [this](std::uint32_t a, std::uint32_t b) {
        return std::pair(end_of(a), visible_[a]) < std::pair(end_of(b), visible_[b]);
      });
      for (auto at = begin; at < tile_rows_.size(); at += shape_.tile_rows) {
        const auto left = static_cast<std::uint32_t>(tile_rows_.size()) - at;
        tiles_.push_back({number, at, (std::min)(left, shape_.tile_rows), 0});
      }
    }
    std::shuffle(tiles_.begin(), tiles_.end(), random_);
  }

  [[nodiscard]] static bool is_key(const attention_request& r, std::uint32_t token)
  {
    return token >= r.hidden && (token < r.gap.begin || token >= r.gap.end);
  }
  // By any row.
  [[nodiscard]] static bool is_seen(const attention_request& r, std::uint32_t token)
  {
    if (!is_key(r, token)) return false;
    if (r.visible.empty()) return true;
    return std::any_of(r.visible.begin(), r.visible.end(), [token](std::uint32_t v) { return token < v; }) ||
           std::find(r.computed.begin(), r.computed.end(), token) != r.computed.end();
  }

  bf16* key(std::uint32_t request, std::uint32_t token)
  {
    const std::uint32_t page = page_ids_[static_cast<std::uint32_t>(indptr_[request]) + token / shape_.page_tokens];
    return &pages_[page * page_elements() + std::size_t{token % shape_.page_tokens} * width_];
  }
  bf16* value(std::uint32_t request, std::uint32_t token)
  {
    return key(request, token) + std::size_t{shape_.page_tokens} * width_;
  }

  // As the model's definition has it, with no table of seconds.
  [[nodiscard]] double bias_of(std::uint32_t head, std::uint32_t distance, std::int64_t seconds) const
  {
    double sum = 0;
    if (shape_.distances != 0) {
      sum += static_cast<double>(by_distance_[head * shape_.distances + (std::min)(distance, shape_.distances - 1)]);
    }
    if (shape_.times != 0) {
      const double bucket = std::floor(std::log(seconds < 1 ? 1.0 : static_cast<double>(seconds)) / 0.301);
      const double last = shape_.times - 1;
      sum += static_cast<double>(by_time_[head * shape_.times + static_cast<std::size_t>((std::min)(bucket, last))]);
    }
    return sum;
  }

  [[nodiscard]] double error_of(std::uint32_t request, std::uint32_t row, std::uint32_t head) const
  {
    auto* self = const_cast<attention_bed*>(this);
    const std::uint32_t dim = shape_.head_dim;
    const bf16* query = &projected_[row * query_stride() + width_ + head * dim];
    std::vector<double> sums(dim, 0.0);
    const auto add = [&](const bf16* k, const bf16* v, double bias) {
      double score = bias;
      for (std::uint32_t i = 0; i < dim; ++i) {
        score += static_cast<double>(to_float(query[i])) * static_cast<double>(to_float(k[i]));
      }
      const double weight = score / (1 + std::exp(-score)) * static_cast<double>(factor);
      for (std::uint32_t i = 0; i < dim; ++i) sums[i] += weight * static_cast<double>(to_float(v[i]));
    };
    for (std::uint32_t token = 0; token < requests_[request].history; ++token) {
      const bool own = !is_candidate(row) && token == positions_[row];
      if (!is_key(requests_[request], token) || (token >= visible_[row] && !own)) continue;
      const std::int64_t seconds =
          shape_.times == 0 ? 0 : row_times_[row] - event_times_[first_event_[request] + token / 2];
      add(self->key(request, token) + head * dim, self->value(request, token) + head * dim,
          bias_of(head, token < visible_[row] ? visible_[row] - token : 0, seconds));
    }
    if (is_candidate(row)) {
      const bf16* own = &projected_[row * query_stride() + head * dim];
      add(own + 2 * width_, own + 3 * width_, bias_of(head, 0, 0));
    }
    double error = 0, norm = 0;
    for (std::uint32_t i = 0; i < dim; ++i) {
      const double got = static_cast<double>(to_float(outputs_[row * output_stride() + head * dim + i]));
      error += (got - sums[i]) * (got - sums[i]);
      norm += sums[i] * sums[i];
    }
    return norm == 0 ? (error == 0 ? 0 : HUGE_VAL) : std::sqrt(error / norm);
  }

  attention_shape shape_;
  std::vector<attention_request> requests_;
  std::mt19937 random_;
  std::normal_distribution<double> normal_;
  std::uint32_t width_;
  std::size_t first_candidate_ = 0;
  std::vector<std::uint32_t> positions_, visible_;
  std::vector<bf16> projected_, outputs_, pages_;
  std::vector<std::uint32_t> page_ids_, hidden_;
  std::vector<hstu::gpu::key_gap> gaps_;
  std::vector<std::int32_t> indptr_;
  std::vector<float> by_distance_, by_time_, part_sums_;
  std::vector<std::int64_t> least_seconds_, event_times_, row_times_;
  std::vector<std::uint32_t> first_event_;
  std::vector<hstu::query_tile> tiles_;
  std::vector<std::uint32_t> tile_rows_;
};

}  // namespace hstu_gpu_test
