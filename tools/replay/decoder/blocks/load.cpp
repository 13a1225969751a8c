#include "replay/decoder/blocks/load.hpp"

#include "replay/format.hpp"

#include <kvstrata/simulate/random.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace replay {
namespace {

constexpr std::uint32_t tokens_an_event = 2;  // the workload's
constexpr std::uint32_t instruction_tokens = 104, question_tokens = 24, between_tokens = 3;
constexpr std::size_t most_samples = 128;  // texts that prototypes are made of
constexpr std::uint32_t least_drawn = 32;  // candidates: half of them what the user watched next, in any order

/// Texts of one topic have words in common, some far more than others.
class text_maker
{
 public:
  explicit text_maker(const block_options& o) : o_(&o)
  {
    kvstrata::random_source random(kvstrata::derive_seed(o.common.seed, 91));
    for (auto& topic : topics_) {
      for (std::uint32_t& word : topic) word = random.below(o.words);
    }
  }

  /// The same number: the same text.
  [[nodiscard]] const std::vector<std::uint32_t>& item(std::uint64_t number)
  {
    std::vector<std::uint32_t>& text = items_[number];
    if (text.empty()) {
      kvstrata::random_source random(kvstrata::derive_seed(kvstrata::derive_seed(o_->common.seed, 92), number));
      draw(text, o_->least_tokens + random.below(o_->most_tokens - o_->least_tokens + 1), random);
    }
    return text;
  }
  [[nodiscard]] std::vector<std::uint32_t> fixed_text(std::uint64_t which, std::uint32_t tokens) const
  {
    kvstrata::random_source random(kvstrata::derive_seed(kvstrata::derive_seed(o_->common.seed, 93), which));
    std::vector<std::uint32_t> out;
    draw(out, tokens, random);
    return out;
  }

 private:
  void draw(std::vector<std::uint32_t>& to, std::uint32_t tokens, kvstrata::random_source& random) const
  {
    const auto& topic = topics_[random.below(static_cast<std::uint32_t>(topics_.size()))];
    for (std::uint32_t t = 0; t < tokens; ++t)
      to.push_back(topic[random.below(1 + random.below(static_cast<std::uint32_t>(topic.size())))]);
  }

  const block_options* o_;
  std::array<std::array<std::uint32_t, 60>, 8> topics_{};
  std::map<std::uint64_t, std::vector<std::uint32_t>> items_;
};

class prompt_maker
{
 public:
  explicit prompt_maker(const block_options& o)
      : o_(&o),
        texts_(o),
        instruction_(texts_.fixed_text(0, instruction_tokens)),
        question_(texts_.fixed_text(1, question_tokens)),
        between_(texts_.fixed_text(2, between_tokens))
  {
  }

  [[nodiscard]] block_prompt make(const workload& w, const served_request& r)
  {
    block_prompt out{.user = kvstrata::to_number(r.user), .answers = r.answers};
    add(out, block_of_instruction, 0, instruction_, kvstrata::block_group::items);
    const std::span<const std::uint64_t> seen =
        std::span(w.histories[r.history_of].items).first(r.tokens / tokens_an_event);
    // The window moves by half of it at a time, so that a prefix lasts for some requests.
    const std::size_t step = (std::max)(1U, o_->history_items / 2);
    out.window = seen.size() <= o_->history_items ? 0 : (seen.size() - o_->history_items) / step;
    for (const std::uint64_t item : seen.subspan(out.window * step)) {
      add(out, block_of_item, item, texts_.item(item), kvstrata::block_group::history);
      out.words.insert(out.words.end(), between_.begin(), between_.end());
    }
    out.prefix = static_cast<kvstrata::token_count>(out.words.size());
    const std::span<const std::uint64_t> candidates(r.candidates);
    for (const std::uint64_t item : candidates.first((std::min)(candidates.size(), std::size_t{o_->candidates}))) {
      add(out, block_of_item, item, texts_.item(item), kvstrata::block_group::items);
      out.words.insert(out.words.end(), between_.begin(), between_.end());
    }
    out.words.insert(out.words.end(), question_.begin(), question_.end());
    out.words.push_back(o_->words);  // the start token
    return out;
  }

  static void add(block_prompt& to, std::uint32_t kind, std::uint64_t id, const std::vector<std::uint32_t>& text,
                  kvstrata::block_group group)
  {
    to.texts.push_back({.kind = kind,
                        .id = id,
                        .start = static_cast<kvstrata::token_count>(to.words.size()),
                        .tokens = static_cast<kvstrata::token_count>(text.size()),
                        .group = group});
    to.words.insert(to.words.end(), text.begin(), text.end());
  }

  [[nodiscard]] const std::vector<std::uint32_t>& item(std::uint64_t number) { return texts_.item(number); }

 private:
  const block_options* o_;
  text_maker texts_;
  std::vector<std::uint32_t> instruction_, question_, between_;
};

/// Texts of items that users have seen, and no prompt has: what prototypes are made of was not made for them.
template <class Distinct>
void take_samples(block_load& to, const workload& w, prompt_maker& make, const Distinct& in_prompts)
{
  std::set<std::uint64_t> taken;
  for (std::size_t back = 0; to.samples.size() < most_samples; ++back) {
    bool any = false;
    for (const user_history& h : w.histories) {
      if (back >= h.items.size() || to.samples.size() == most_samples) continue;
      any = true;
      const std::uint64_t item = h.items[back];
      if (in_prompts.contains({block_of_item, item}) || !taken.insert(item).second) continue;
      to.samples.push_back(make.item(item));
    }
    if (!any) return;
  }
}

}  // namespace

block_load make_block_load(const block_options& o)
{
  options drawn = o.common;
  drawn.candidates = (std::max)(least_drawn, o.candidates);
  const workload w = make_workload(drawn);
  prompt_maker make(o);
  block_load out;
  out.facts = w.facts;
  std::map<std::pair<std::uint32_t, std::uint64_t>, kvstrata::token_count> distinct;
  std::uint64_t tokens = 0, of_candidates = 0;
  for (const served_batch& b : w.batches) {
    for (const served_request& r : b.requests) {
      block_prompt p = make.make(w, r);
      tokens += p.words.size();
      for (const placed_text& t : p.texts) {
        distinct[{t.kind, t.id}] = t.tokens;
        if (t.start >= p.prefix) of_candidates += t.tokens;
      }
      out.longest = (std::max)(out.longest, static_cast<kvstrata::token_count>(p.words.size()));
      out.prompts.push_back(std::move(p));
    }
  }
  if (tokens != 0) {
    out.prompt_mean = static_cast<double>(tokens) / static_cast<double>(out.prompts.size());
    out.candidate_share = static_cast<double>(of_candidates) / static_cast<double>(tokens);
  }
  out.distinct_texts = distinct.size();
  for (const auto& [key, length] : distinct)
    out.distinct_pages += (length + o.common.page_tokens - 1) / o.common.page_tokens;
  if (o.prototypes != 0) take_samples(out, w, make, distinct);
  out.facts.notes.push_back(
      "An item's text has " + std::to_string(o.least_tokens) + " to " + std::to_string(o.most_tokens) +
      " words, drawn by the seed: the trace has none. It is the same block in a history and among candidates. Which "
      "items are candidates is drawn, too: about half of them are what the user watched next, the others popular "
      "ones.");
  return out;
}

}  // namespace replay
