// Selecting beams on a device: keys of all candidates, sorted, the best of them. Not early termination: a device sorts all.
//
// The keys carry score and flat index in 64 bits, so what is selected is the same set as on the CPU, ties included, whatever
// the sort does with equal keys: there are none. (CUB's DeviceTopK, where a toolkit has it, gives the best unsorted: its result would
// be sorted by the same keys after. The toolkit here, 13.0, has none.)
//
// What it needs of a machine:
//
// expression                                       meaning
// ------------------------------------------------ ----------------------------------------------------------------
// m.launch(kernel)                                 queues a kernel object (hstu/gpu/block.hpp)
// m.zero(word)                                     queues *word = 0
// m.sort(to, from, count, first_bit, last_bit)     queues sorting 64-bit keys, descending by the bits [first, last)
// m.sort_segments(to, from, count, segments,       queues the same by all bits within each segment [offsets[s],
//   offsets)                                       offsets[s + 1])
//
// All in order, on one stream; nothing blocks. Models: cuda_selector (cuda_selector.hpp), and in tests plain loops.
#pragma once

#include "decoder/gpu/candidate_keys.hpp"
#include "decoder/gpu/selected_beams.hpp"

#include <cstddef>
#include <cstdint>

namespace decoder::gpu {

/// One request's step. All pointers are to memory of the device.
struct selection_step
{
  candidate_keys_kernel candidates;  ///< last_row: beams; its keys are [candidates_count]
  std::uint32_t candidates_count = 0;
  std::uint32_t width = 0;          ///< beams to select
  std::uint32_t pre_cut = 0;        ///< candidates that a beam may bring; 0: all
  bool ascending_parents = false;   ///< order the selected by parent instead of by score
  std::uint64_t* sorted = nullptr;  ///< [candidates_count]
  std::uint64_t* cut = nullptr;     ///< [2][beams * pre_cut]; unused without a pre-cut
  std::uint64_t* keys = nullptr;    ///< [width]; unused where parents need not ascend
  std::uint32_t* parents =
      nullptr;  ///< [width] the selected beams, as beams_kernel leaves them; likewise the next four
  std::uint32_t* tokens = nullptr;
  std::uint32_t* nodes = nullptr;
  float* scores = nullptr;
  std::uint32_t* found = nullptr;
};

/// Queues the step. Takes a sort of all candidates (pre-cut: of each beam's, then of what is left), and one of `width` keys where
/// parents shall ascend.
template <class Machine>
void select(Machine& m, const selection_step& s)
{
  m.zero(s.found);
  m.launch(s.candidates);
  const std::uint32_t beams = s.candidates.last_row;
  const std::uint64_t* best = s.sorted;
  std::uint32_t count = s.candidates_count;
  if (s.pre_cut != 0) {
    m.sort_segments(s.sorted, s.candidates.keys, count, beams, s.candidates.offsets);
    const std::uint32_t left = beams * s.pre_cut;
    cut_kernel cut;
    cut.count = left;
    cut.sorted = s.sorted;
    cut.offsets = s.candidates.offsets;
    cut.cut = s.cut;
    cut.most = s.pre_cut;
    m.launch(cut);
    m.sort(s.cut + left, s.cut, left, 0, 64);
    best = s.cut + left;
    count = left;
  } else {
    m.sort(s.sorted, s.candidates.keys, count, 0, 64);
  }
  beams_kernel to;
  to.count = s.width < count ? s.width : count;
  to.keys = best;
  if (s.ascending_parents) {
    // By the complement of the flat index, descending: by the index, ascending. What is no candidate, 0, stays last.
    m.sort(s.keys, best, to.count, 0, 32);
    to.keys = s.keys;
  }
  to.tokens = s.candidates.tokens;
  to.begins = s.candidates.begins;
  to.offsets = s.candidates.offsets;
  to.codebook = s.candidates.codebook;
  to.parents = s.parents;
  to.next = s.tokens;
  to.nodes = s.nodes;
  to.scores = s.scores;
  to.found = s.found;
  m.launch(to);
}

}  // namespace decoder::gpu
