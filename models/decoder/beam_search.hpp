// Beam search over a batch: the decoder's passes and the selections between them, in lockstep, fixed steps. Prompts are in
// pages; beams' own tokens lie in scratch, where a beam layout says.
#pragma once

#include "decoder/beam_forward.hpp"
#include "decoder/search/request_beams.hpp"

#include <kvstrata/beams/concepts.hpp>
#include <kvstrata/beams/traffic.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/layout/page_table_view.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace decoder {

/// Most beams that have a token of their own at each pass: the start token, then what is selected at each level but the last, whose
/// tokens nobody attends to.
[[nodiscard]] inline std::vector<std::uint32_t> scratch_widths(const search_options& how)
{
  std::vector<std::uint32_t> widths{1};
  if (!how.widths.empty()) widths.insert(widths.end(), how.widths.begin(), how.widths.end() - 1);
  return widths;
}

/// Keeps its memory from batch to batch. Must not outlive what its pass is made of: the model, or on a device a lane
/// (gpu/beam_pass.hpp). One thread at a time; every call blocks.
template <kvstrata::beam_layout Layout, class Pass = beam_forward>
class beam_search
{
 public:
  /// Throws kvstrata::config_error as check(options, codebooks).
  beam_search(typename Pass::source& on, const search_options& how) : how_(how), pass_(on)
  {
    check(how_, pass_.options().codebooks);
  }

  /// Tokens of scratch that a request needs: what a plan has to reserve.
  [[nodiscard]] std::uint32_t scratch_rows() const { return Layout(scratch_widths(how_)).rows(); }

  /// A batch begins: request r has its prompt, wholly in pages, in request r of `prompts` (of each part), and scratch_rows() tokens of
  /// scratch in request r of `scratch`. What the views point to must stay until the batch is done. Every request decodes from
  /// this version of the catalogue, null only without constraints. Throws kvstrata::usage_error, and nothing has begun,
  /// where scratch is too small or views and catalogue do not fit.
  void start(const prompt_views& prompts, const kvstrata::page_table_view& scratch,
             std::shared_ptr<const catalogue> items)
  {
    if (prompts.parts().empty()) throw kvstrata::usage_error("there are no prompts, not even empty ones");
    for (const kvstrata::page_table_view& part : prompts.parts()) {
      if (part.size() == scratch.size()) continue;
      throw kvstrata::usage_error("there are prompts of " + std::to_string(part.size()) + " requests, but scratch of " +
                                  std::to_string(scratch.size()));
    }
    for (std::size_t r = 0; r < scratch.size(); ++r) {
      if (scratch.tokens(r) >= scratch_rows()) continue;
      throw kvstrata::usage_error("the scratch of request " + std::to_string(r) + " has " +
                                  std::to_string(scratch.tokens(r)) + " tokens, but its beams need " +
                                  std::to_string(scratch_rows()));
    }
    request_beams probe(pass_.options().codebooks, how_);
    probe.start(items);  // throws before anything has begun
    while (requests_.size() < scratch.size()) {
      requests_.push_back({request_beams(pass_.options().codebooks, how_), Layout(scratch_widths(how_))});
    }
    prompts_.assign(prompts.parts().begin(), prompts.parts().end());
    scratch_ = scratch;
    step_ = 0;
    for (std::size_t r = 0; r < size(); ++r) {
      requests_[r].beams.start(items);
      if (!requests_[r].beams.done()) requests_[r].layout.start(1);
    }
  }

  /// Requests of the batch.
  [[nodiscard]] std::size_t size() const noexcept { return scratch_.size(); }
  [[nodiscard]] bool done() const noexcept { return size() == 0 || step_ == depth_of(pass_.options()); }

  /// One pass and one selection of all requests. Throws kvstrata::usage_error when the batch is done.
  void step()
  {
    if (done()) throw kvstrata::usage_error("a batch that is done has no further step");
    index();
    pass();
    select();
  }

  // What a step is made of, for those who put it onto a device (beam_pipeline.hpp): index(), pass(), select(), in turn;
  // list_allowed() anywhere between the selection before and select(), also beside pass(), or not at all.

  /// The host's: which rows of scratch the pass writes and reads.
  void index() { gather(); }
  /// The host's, and optional: the tokens that may follow each beam.
  void list_allowed()
  {
    for (std::size_t r = 0; r < size(); ++r) requests_[r].beams.list_allowed();
  }
  /// The device's.
  void pass()
  {
    logits_ =
        pass_.run({step_, widths_, tokens_, own_rows_}, std::span<const kvstrata::page_table_view>(prompts_), scratch_);
  }
  /// The device's, behind pass(): the next beams; and what a layout moves is moved.
  void select()
  {
    const std::size_t codebook = pass_.options().codebooks[step_];
    ++step_;
    std::size_t first = 0;
    for (std::size_t r = 0; r < size(); ++r) {
      request& mine = requests_[r];
      const std::size_t count = widths_[r] * codebook;
      if (count != 0) mine.beams.advance(logits_.subspan(first, count), Layout::ascending_parents);
      first += count;
      if (!mine.beams.done()) {
        moved_.moved_bytes += pass_.move(scratch_, r, mine.layout.fork(mine.beams.parents()));
      }
    }
  }
  void run()
  {
    while (!done()) step();
  }

  /// What request r found, best first. Valid until the next start().
  [[nodiscard]] std::span<const found_item> found(std::size_t r) { return requests_[r].beams.found(); }
  [[nodiscard]] const request_beams& beams(std::size_t r) const { return requests_[r].beams; }
  /// Bytes read and moved since it was made.
  [[nodiscard]] kvstrata::beam_traffic traffic() const noexcept
  {
    kvstrata::beam_traffic all = pass_.traffic();
    return all += moved_;
  }

 private:
  struct request
  {
    request_beams beams;
    Layout layout;
  };

  // The rows of the next pass.
  void gather()
  {
    widths_.clear();
    tokens_.clear();
    own_rows_.clear();
    for (std::size_t r = 0; r < size(); ++r) {
      const request& mine = requests_[r];
      widths_.push_back(mine.beams.width());
      for (std::uint32_t b = 0; b < widths_.back(); ++b) {
        for (std::uint32_t s = 0; s <= step_; ++s) own_rows_.push_back(mine.layout.row(s, b));
      }
      if (step_ != 0 && widths_.back() != 0) {
        tokens_.insert(tokens_.end(), mine.beams.tokens().begin(), mine.beams.tokens().end());
      }
    }
  }

  search_options how_;
  Pass pass_;
  std::vector<request> requests_;                   // as many as the largest batch had
  std::vector<kvstrata::page_table_view> prompts_;  // the parts
  kvstrata::page_table_view scratch_;
  std::uint32_t step_ = 0;
  std::vector<std::uint32_t> widths_, tokens_, own_rows_;
  std::span<const float> logits_;  // of the last pass
  kvstrata::beam_traffic moved_;
};

}  // namespace decoder
