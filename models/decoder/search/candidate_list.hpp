// One beam's candidates: logits become log-probabilities, are added to the beam's score, and the best are kept in order.
#pragma once

#include "decoder/catalogue/catalogue.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace decoder {

/// What a log-probability is normalised over.
enum class normaliser : std::uint8_t {
  allowed_only,     ///< the tokens that may follow: the allowed ones' probabilities add up to 1
  full_vocabulary,  ///< all tokens of the codebook, allowed or not: reads every logit
};

struct beam_score
{
  float score = 0;          ///< sum of the log-probabilities of its tokens
  std::uint32_t node = 0;   ///< of the trie; unused without a catalogue
  std::uint32_t index = 0;  ///< among the beams of its request: what flat indices are made of
};

struct list_options
{
  normaliser over = normaliser::allowed_only;
  std::size_t most = 0;     ///< candidates that a beam may bring: the pre-cut; 0: no limit
  std::uint64_t floor = 0;  ///< keys that are not above it are left out: beam_selector::floor()
};

/// Keeps its memory from list to list. Not synchronised.
///
/// A candidate's score is beam.score + (logit - log sum exp(logits)), added up in that order in float; its flat index is
/// beam.index * logits.size() + token, which must stay below 2^32 - 1 (the caller's to see to). -infinity as a logit is a token of
/// no probability; where all are, all candidates have the score -infinity.
class candidate_list
{
 public:
  /// Of the tokens that may follow beam.node of `level` in a catalogue: those that may not are no candidates, whatever their
  /// logits are. `logits` has one for each token of the level's codebook (kvstrata::usage_error otherwise). With allowed_only
  /// O(allowed tokens); only their logits are read. Keys, descending; valid until the next call.
  [[nodiscard]] std::span<const std::uint64_t> of(const beam_score& beam, std::span<const float> logits,
                                                  const catalogue& items, std::uint32_t level, const list_options& how);
  /// Of these tokens, ascending, which must be of the codebook: what catalogue::allowed() said, some time before.
  [[nodiscard]] std::span<const std::uint64_t> of(const beam_score& beam, std::span<const float> logits,
                                                  std::span<const std::uint32_t> tokens, const list_options& how)
  {
    return of_gathered(beam, tokens, logits, how);
  }
  /// Of all tokens.
  [[nodiscard]] std::span<const std::uint64_t> of(const beam_score& beam, std::span<const float> logits,
                                                  const list_options& how);
  /// Of the tokens whose bit of `mask` is set (a real mask: the others are no candidates). O(logits). The mask has a word for
  /// every 64 logits (kvstrata::usage_error otherwise).
  [[nodiscard]] std::span<const std::uint64_t> of(const beam_score& beam, std::span<const float> logits,
                                                  std::span<const std::uint64_t> mask, const list_options& how);

  /// Candidates that the last list was made of, those included that it left out.
  [[nodiscard]] std::size_t candidates() const noexcept { return gathered_from_; }

 private:
  std::span<const std::uint64_t> of_gathered(const beam_score& beam, std::span<const std::uint32_t> tokens,
                                             std::span<const float> logits, const list_options& how);
  template <class Token>
  std::span<const std::uint64_t> ordered(const beam_score& beam, std::span<const float> mine, float shift,
                                         std::size_t codebook, const list_options& how, Token token);

  std::vector<std::uint32_t> tokens_;
  std::vector<float> gathered_;  // the tokens' logits
  std::size_t gathered_from_ = 0;
  std::vector<std::uint64_t> keys_;
};

/// log sum exp(logits), natural; -infinity of none.
[[nodiscard]] float log_sum_exp(std::span<const float> logits) noexcept;

}  // namespace decoder
