// The beams of one request, level by level: scores, places in the trie, tokens. Host work between two passes of a model.
#pragma once

#include "decoder/catalogue/catalogue.hpp"
#include "decoder/catalogue/tuples.hpp"
#include "decoder/search/beam_selector.hpp"
#include "decoder/search/candidate_list.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace decoder {

struct search_options
{
  std::vector<std::uint32_t>
      widths;               ///< [depth] beams that are selected at each level; the last: items that are asked for
  std::size_t pre_cut = 0;  ///< candidates that a beam may bring to a selection, but the first, where there is one
                            ///< beam; 0: the selection's width
  normaliser over = normaliser::allowed_only;
  bool constrained = true;        ///< valid, eligible items only; else any tuple, and probabilities over all tokens
  bool early_termination = true;  ///< skip what cannot be selected any more; else every candidate is ordered and looked
                                  ///< at, for the same beams
};

/// Throws kvstrata::config_error: not as many widths as levels ("steps beyond depth"), a width of 0, more candidates at a level
/// than a flat index of 32 bits can tell apart.
void check(const search_options& how, std::span<const std::uint32_t> codebooks);

inline constexpr std::uint32_t no_item = 0xffffffff;

/// What was found, best first.
struct found_item
{
  std::uint32_t item = no_item;  ///< in the catalogue; no_item where the tuple is none, or no catalogue is there
  float score = 0;               ///< log-probability of the tuple
  std::array<std::uint32_t, most_levels> tokens{};  ///< [depth]
};

/// Keeps its memory from request to request. Not synchronised.
class request_beams
{
 public:
  /// Checks the options as above.
  request_beams(std::span<const std::uint32_t> codebooks, const search_options& how);

  /// A request begins, from one beam without tokens. It keeps the version of the catalogue until the next start(). Throws
  /// kvstrata::usage_error, and nothing has changed, where a search with constraints gets no catalogue, and where the
  /// catalogue's codebooks are others. Where nothing may be shown, it is done at once, with nothing found.
  void start(std::shared_ptr<const catalogue> items);

  /// Levels that were decided.
  [[nodiscard]] std::uint32_t level() const noexcept { return level_; }
  /// Beams whose logits advance() wants; 0 when the request is done.
  [[nodiscard]] std::uint32_t width() const noexcept { return done() ? 0 : static_cast<std::uint32_t>(beams_.size()); }
  [[nodiscard]] bool done() const noexcept { return level_ == codebooks_.size() || beams_.empty(); }

  /// Writes down which tokens may follow each beam: what advance() does otherwise, and needs no logits, so that it may be done
  /// while a model computes them. It changes nothing that width(), parents() and tokens() say. Nothing to do without
  /// constraints, or when the request is done.
  void list_allowed();

  /// Selects the beams of the next level by the logits of its tokens, [width()][codebook]. With `ascending_parents` beams are then in
  /// the order of their parents, else in that of their scores. Throws kvstrata::usage_error where the request is done, or
  /// there are more or fewer logits. Allocates nothing in steady state.
  void advance(std::span<const float> logits, bool ascending_parents);

  /// Of the beams that the last advance() selected: the beam that each goes on from, and its newest token.
  [[nodiscard]] std::span<const std::uint32_t> parents() const noexcept { return parents_; }
  [[nodiscard]] std::span<const std::uint32_t> tokens() const noexcept { return tokens_; }

  /// When it is done: what was found, best first; fewer than asked for where there are no more. Valid until start().
  [[nodiscard]] std::span<const found_item> found();

  /// Since it was made: candidates that beams could bring (a beam's, but no more than the pre-cut); those that were in lists; and
  /// those of them that selections looked at.
  [[nodiscard]] std::uint64_t candidates() const noexcept { return candidates_; }
  [[nodiscard]] std::uint64_t listed() const noexcept { return listed_; }
  [[nodiscard]] std::uint64_t visited() const noexcept { return visited_; }

 private:
  using line = std::array<std::uint32_t, most_levels>;

  std::span<const std::uint64_t> keys_of(std::uint32_t beam, std::span<const float> logits, const list_options& how);

  std::vector<std::uint32_t> codebooks_;
  search_options how_;
  std::shared_ptr<const catalogue> items_;
  std::uint32_t level_ = 0;
  std::vector<beam_score> beams_, next_;
  std::vector<line> lines_, next_lines_;  // the tokens of each beam
  std::vector<std::uint32_t> parents_, tokens_;
  std::vector<std::uint32_t> best_first_;  // beams by score: the order in which lists are taken
  std::vector<std::uint64_t> keys_;
  std::vector<std::uint32_t> allowed_;       // by list_allowed(): of all beams, one after the other
  std::vector<std::size_t> allowed_begins_;  // [width + 1]; empty: they are not listed
  candidate_list list_;
  beam_selector selector_;
  std::vector<found_item> found_;
  std::uint64_t candidates_ = 0;
  std::uint64_t listed_ = 0;
  std::uint64_t visited_ = 0;
};

}  // namespace decoder
