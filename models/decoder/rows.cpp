#include "decoder/rows.hpp"

#include "decoder/loops/loops.hpp"

#include "hstu/matmul.hpp"

#include <kvstrata/position/rotary.hpp>

#include <algorithm>
#include <cmath>

namespace decoder {
namespace {

constexpr std::size_t rows_of_tile = 64;  // of one product, which one member of the crew does

std::size_t tiles_of(std::size_t rows) { return (rows + rows_of_tile - 1) / rows_of_tile; }

}  // namespace

void row_stack::start(std::span<const std::uint32_t> positions)
{
  const config& c = model_->options();
  rows_ = positions.size();
  states_.reserve(rows_ * c.hidden);
  normed_.reserve(rows_ * c.hidden);
  projected_.reserve(rows_ * stride());
  attended_.reserve(rows_ * width());
  gates_.reserve(rows_ * 2 * c.ffn);
  activated_.reserve(rows_ * c.ffn);
  const std::size_t half = c.head_dim / 2;
  cosines_.resize(rows_ * half);
  sines_.resize(rows_ * half);
  const kvstrata::rotary by(c.head_dim, c.rotary_base);
  for (std::size_t row = 0; row < rows_; ++row) {
    float* const cosines = cosines_.data() + row * half;
    float* const sines = sines_.data() + row * half;
    if (row == 0 || positions[row] != positions[row - 1]) {
      by.angles(positions[row], cosines, sines);
      continue;
    }
    std::copy_n(cosines - half, half, cosines);  // beams share theirs
    std::copy_n(sines - half, half, sines);
  }
}

void row_stack::normalise(const std::vector<float>& weight)
{
  const config& c = model_->options();
  for (std::size_t row = 0; row < rows_; ++row) {
    best_loops().rms_norm(normed_.data() + row * c.hidden, state(row), weight.data(), c.epsilon, c.hidden);
  }
}

void row_stack::multiply(std::size_t columns, std::size_t inner, const float* from, const std::vector<float>& by,
                         float* to, bool add)
{
  model_->crew().each(tiles_of(rows_), [&](std::size_t tile, std::size_t) {
    const std::size_t first = tile * rows_of_tile;
    const std::size_t count = std::min(rows_of_tile, rows_ - first);
    hstu::multiply(count, columns, inner, {from + first * inner, inner}, {by.data(), columns},
                   {to + first * columns, columns}, add ? hstu::store::add : hstu::store::assign);
  });
}

void row_stack::project_unturned(std::uint32_t layer)
{
  const config& c = model_->options();
  const layer_weights& w = model_->parameters().layers[layer];
  normalise(w.attention_norm);
  multiply(stride(), c.hidden, normed_.data(), w.project, projected_.data(), false);
}

void row_stack::turn()
{
  const config& c = model_->options();
  const std::size_t half = c.head_dim / 2;
  for (std::size_t row = 0; row < rows_; ++row) {
    for (std::size_t head = 0; head < 2 * std::size_t{c.heads}; ++head) {  // of Q, then of K
      best_loops().rotate(queries(row) + head * c.head_dim, cosines_.data() + row * half, sines_.data() + row * half,
                          half);
    }
  }
}

void row_stack::keep(std::span<const std::uint32_t> rows)
{
  const std::size_t hidden = model_->options().hidden;
  const std::size_t half = model_->options().head_dim / 2;
  const auto move = [](auto* all, std::size_t to, std::size_t from, std::size_t count) {
    std::copy_n(all + from * count, count, all + to * count);
  };
  for (std::size_t to = 0; to < rows.size(); ++to) {
    const std::size_t from = rows[to];
    if (from == to) continue;
    move(states_.data(), to, from, hidden);
    move(projected_.data(), to, from, stride());
    move(cosines_.data(), to, from, half);
    move(sines_.data(), to, from, half);
  }
  rows_ = rows.size();
}

void row_stack::finish(std::uint32_t layer)
{
  const config& c = model_->options();
  const layer_weights& w = model_->parameters().layers[layer];
  multiply(c.hidden, width(), attended_.data(), w.output, states_.data(), true);
  normalise(w.ffn_norm);
  multiply(2 * std::size_t{c.ffn}, c.hidden, normed_.data(), w.gate_up, gates_.data(), false);
  for (std::size_t row = 0; row < rows_; ++row) {
    const float* gates = gates_.data() + row * 2 * c.ffn;
    best_loops().gate(activated_.data() + row * c.ffn, gates, gates + c.ffn, c.ffn);
  }
  multiply(c.hidden, c.ffn, activated_.data(), w.down, states_.data(), true);
}

void row_stack::logits(std::uint32_t level, float* to)
{
  const config& c = model_->options();
  const std::vector<float>& table = model_->parameters().tokens[level];
  const std::size_t codebook = c.codebooks[level];
  normalise(model_->parameters().final_norm);
  const float factor = 1.0f / std::sqrt(static_cast<float>(c.hidden));
  for (std::size_t i = 0; i < rows_ * c.hidden; ++i) normed_.data()[i] *= factor;
  model_->crew().each(tiles_of(rows_), [&](std::size_t tile, std::size_t) {
    const std::size_t first = tile * rows_of_tile;
    hstu::multiply_transposed(std::min(rows_of_tile, rows_ - first), codebook, c.hidden,
                              {normed_.data() + first * c.hidden, c.hidden}, {table.data(), c.hidden},
                              {to + first * codebook, codebook});
  });
}

}  // namespace decoder
