// What all rows of a pass go through, whatever they attend to: normalise, project, turn; and behind attention the rest of the
// layer. A row is one token.
#pragma once

#include "decoder/model.hpp"

#include "hstu/buffer.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace decoder {

/// The rows of a pass, and its memory, which only grows. One thread at a time; steps use the model's crew and block.
class row_stack
{
 public:
  explicit row_stack(const model& m) : model_(&m) {}

  /// As many rows from now on, of these positions; their states are to be written.
  void start(std::span<const std::uint32_t> positions);
  [[nodiscard]] std::size_t size() const noexcept { return rows_; }
  [[nodiscard]] float* state(std::size_t row) noexcept { return states_.data() + row * model_->options().hidden; }

  /// Of layer `layer`: Q, K, V of all rows, Q and K turned by their positions.
  void project(std::uint32_t layer)
  {
    project_unturned(layer);
    turn();
  }
  /// The same in two steps, for those who want K as if its position were 0.
  void project_unturned(std::uint32_t layer);
  void turn();
  /// Only these rows go on, ascending: their states, and what project() made of them. They are rows 0, 1, ... from now on.
  void keep(std::span<const std::uint32_t> rows);
  [[nodiscard]] float* queries(std::size_t row) noexcept { return projected_.data() + row * stride(); }
  [[nodiscard]] const float* keys(std::size_t row) const noexcept
  {
    return projected_.data() + row * stride() + width();
  }
  [[nodiscard]] const float* values(std::size_t row) const noexcept { return keys(row) + width(); }
  /// Floats from a row of Q (K, V) to the next.
  [[nodiscard]] std::size_t stride() const noexcept { return 3 * width(); }
  /// Where attention puts its output: [rows][D].
  [[nodiscard]] float* attended() noexcept { return attended_.data(); }

  /// The rest of the layer: states take in attended() and the gated network.
  void finish(std::uint32_t layer);

  /// logits[row][token] of all rows, for the tokens of a level: [rows][codebook].
  void logits(std::uint32_t level, float* to);

 private:
  [[nodiscard]] std::size_t width() const noexcept { return width_of(model_->options()); }
  void normalise(const std::vector<float>& weight);
  void multiply(std::size_t columns, std::size_t inner, const float* from, const std::vector<float>& by, float* to,
                bool add);

  const model* model_;
  std::size_t rows_ = 0;
  hstu::buffer states_, normed_, projected_, attended_, gates_, activated_;
  std::vector<float> cosines_, sines_;  // [rows][head_dim / 2]
};

}  // namespace decoder
