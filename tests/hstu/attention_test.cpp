// Attention by itself: any prefix and oneself, over pages in one stretch or several, against a mask written out.
#include "hstu/fixture.hpp"

#include "hstu/tile_attention.hpp"
#include "support/catch.hpp"

#include <cmath>
#include <memory>
#include <numeric>
#include <utility>

namespace {

using namespace hstu_test;

struct masked_request
{
  std::vector<std::uint32_t> stretch_keys;  // keys of each stretch
  std::uint32_t keys = 0;
  std::vector<std::uint32_t> rows;  // of the batch
};

/// A batch whose rows see any prefix. What no row sees is NaN, and so is every row's result before.
class masked_batch
{
 public:
  explicit masked_batch(generator& random) : random_(random)
  {
    dim_ = 4 * (1 + below(random, 12));
    heads_ = 1 + below(random, 3);
    distances_ = below(random, 3) == 0 ? 1 + below(random, 60) : 0;
    requests_.resize(1 + below(random, 3));
    for (masked_request& r : requests_) {
      r.stretch_keys.resize(1 + below(random, 3));
      for (std::uint32_t& keys : r.stretch_keys) keys = below(random, below(random, 3) == 0 ? 700 : 60);
      r.keys = std::accumulate(r.stretch_keys.begin(), r.stretch_keys.end(), 0u);
    }
    make_rows();
    make_pages();
    make_tiles();
  }

  /// The furthest from what it should be; 1e9 where a result is no number.
  double worst_error(hstu::crew& team, hstu::tile_attention& attention)
  {
    std::vector<std::vector<hstu::key_stretch>> stretches(requests_.size());
    std::vector<hstu::request_keys> keys;
    for (std::uint32_t r = 0; r < requests_.size(); ++r) {
      std::uint32_t begin = 0;
      for (std::size_t s = 0; s < requests_[r].stretch_keys.size(); ++s) {
        stretches[r].push_back({&views_[r], s, begin});
        begin += requests_[r].stretch_keys[s];
      }
      keys.push_back({0, stretches[r]});
    }
    hstu::attention_batch batch;
    batch.rows.queries = queries_.data();
    batch.rows.outputs = outputs_.data();
    batch.rows.candidate_keys = own_keys_.data();
    batch.rows.candidate_values = own_values_.data();
    batch.rows.first_candidate = on_pages_;
    batch.rows.visible = visible_.data();
    batch.rows.positions = positions_.data();
    batch.rows.factor = 0.125f;
    batch.rows.alpha = 0.5f;
    batch.keys = keys;
    batch.tile_rows = tile_rows_;
    batch.heads = heads_;
    batch.head_dim = dim_;
    batch.position_bias = bias_;
    attention.run(team, batch, tiles_, 1);
    double worst = 0;
    for (std::uint32_t r = 0; r < requests_.size(); ++r) {
      for (const std::uint32_t row : requests_[r].rows) {
        for (std::uint32_t h = 0; h < heads_; ++h) {
          const std::vector<double> right = by_mask(r, row, h);
          worst = std::max(worst, furthest(std::span(outputs_).subspan(row * width() + h * dim_, dim_), right));
        }
      }
    }
    return worst;
  }

 private:
  [[nodiscard]] std::size_t width() const { return std::size_t{heads_} * dim_; }
  [[nodiscard]] bool sees(std::uint32_t row, std::uint32_t key) const
  {
    return key < visible_[row] || (row < on_pages_ && key == positions_[row]);
  }
  std::vector<float> random_row()
  {
    std::vector<float> out(width());
    for (float& v : out) v = static_cast<float>(below(random_, 2001)) / 1000 - 1;
    return out;
  }

  void make_rows()
  {
    for (std::uint32_t r = 0; r < requests_.size(); ++r) {
      for (std::uint32_t key = 0; key < requests_[r].keys; ++key) {
        if (below(random_, 4) == 0) add_row(r, key);
      }
    }
    on_pages_ = positions_.size();
    for (std::uint32_t r = 0; r < requests_.size(); ++r) {
      for (std::uint32_t i = below(random_, 40); i > 0; --i) add_row(r, 0);
    }
    for (std::size_t row = 0; row < positions_.size(); ++row) append(queries_, random_row());
    for (std::size_t row = on_pages_; row < positions_.size(); ++row) {
      append(own_keys_, random_row());
      append(own_values_, random_row());
    }
    outputs_.assign(queries_.size(), std::numeric_limits<float>::quiet_NaN());
    for (std::uint32_t i = 0; i < heads_ * distances_; ++i) {
      bias_.push_back(static_cast<float>(below(random_, 2001)) / 1000 - 1);
    }
  }
  void add_row(std::uint32_t r, std::uint32_t key)
  {
    requests_[r].rows.push_back(static_cast<std::uint32_t>(positions_.size()));
    positions_.push_back(key);
    visible_.push_back(below(random_, 3) == 0 ? key : below(random_, requests_[r].keys + 1));
  }
  static void append(std::vector<float>& to, const std::vector<float>& row)
  {
    to.insert(to.end(), row.begin(), row.end());
  }

  void make_pages()
  {
    const kvstrata::geometry shape{2, heads_, dim_, kvstrata::element_type::f32};
    for (masked_request& r : requests_) {
      memory_.push_back(std::make_unique<pages>(random_, shape, 1 + below(random_, 40), r.stretch_keys));
      views_.push_back(memory_.back()->view());
      std::uint32_t key = 0;
      for (std::size_t s = 0; s < r.stretch_keys.size(); ++s) {
        for (std::uint32_t token = 0; token < r.stretch_keys[s]; ++token, ++key) {
          const auto seen = [&](std::uint32_t row) { return sees(row, key); };
          if (std::none_of(r.rows.begin(), r.rows.end(), seen)) continue;
          for (const bool value : {false, true}) {
            const std::vector<float> row = random_row();
            std::copy(row.begin(), row.end(), memory_.back()->row(1, s, token, value).begin());
          }
        }
      }
    }
  }

  void make_tiles()
  {
    const auto end_of = [this](std::uint32_t row) {
      return visible_[row] + (row < on_pages_ && positions_[row] == visible_[row] ? 1u : 0u);
    };
    for (std::uint32_t r = 0; r < requests_.size(); ++r) {
      const auto first = static_cast<std::uint32_t>(tile_rows_.size());
      tile_rows_.insert(tile_rows_.end(), requests_[r].rows.begin(), requests_[r].rows.end());
      std::sort(tile_rows_.begin() + first, tile_rows_.end(), [&](std::uint32_t a, std::uint32_t b) {
        return std::pair(end_of(a), visible_[a]) < std::pair(end_of(b), visible_[b]);
      });
      hstu::add_tiles(tiles_, r, tile_rows_, first, static_cast<std::uint32_t>(tile_rows_.size()),
                      1 + below(random_, hstu::most_queries), 0, end_of);
    }
    hstu::sort_by_cost(tiles_);
  }

  std::vector<double> by_mask(std::uint32_t r, std::uint32_t row, std::uint32_t head)
  {
    std::vector<double> sums(dim_, 0.0);
    const float* const query = queries_.data() + row * width() + head * dim_;
    const auto add = [&](const float* key, const float* value, std::uint32_t distance) {
      double score = 0;
      for (std::uint32_t i = 0; i < dim_; ++i) score += static_cast<double>(query[i]) * static_cast<double>(key[i]);
      score *= 0.5;
      if (distances_ != 0) {
        score += static_cast<double>(bias_[head * distances_ + std::min(distance, distances_ - 1)]);
      }
      const double weight = score / (1 + std::exp(-score)) / 8;
      for (std::uint32_t i = 0; i < dim_; ++i) sums[i] += weight * static_cast<double>(value[i]);
    };
    const std::vector<std::uint32_t>& stretch_keys = requests_[r].stretch_keys;
    std::uint32_t key = 0;
    for (std::size_t s = 0; s < stretch_keys.size(); ++s) {
      for (std::uint32_t token = 0; token < stretch_keys[s]; ++token, ++key) {
        if (!sees(row, key)) continue;
        add(memory_[r]->row(1, s, token, false).data() + head * dim_,
            memory_[r]->row(1, s, token, true).data() + head * dim_, key < visible_[row] ? visible_[row] - key : 0);
      }
    }
    if (row >= on_pages_) {
      const std::size_t own = (row - on_pages_) * width() + head * dim_;
      add(own_keys_.data() + own, own_values_.data() + own, 0);
    }
    return sums;
  }

  generator& random_;
  std::uint32_t dim_ = 0, heads_ = 0, distances_ = 0;
  std::vector<masked_request> requests_;
  std::size_t on_pages_ = 0;
  std::vector<std::uint32_t> positions_, visible_, tile_rows_;
  std::vector<float> queries_, outputs_, own_keys_, own_values_, bias_;
  std::vector<std::unique_ptr<pages>> memory_;
  std::vector<kvstrata::page_table_view> views_;
  std::vector<hstu::query_tile> tiles_;
};

}  // namespace

TEST_CASE("a row sees any prefix and itself once, wherever the keys lie", "[hstu]")
{
  generator random(71);
  hstu::crew team(2);
  hstu::tile_attention attention;
  for (int round = 0; round < 200; ++round) {
    masked_batch batch(random);
    INFO("round " << round);
    REQUIRE(batch.worst_error(team, attention) < 2e-4);
  }
}
