#include "decoder/search/request_beams.hpp"

#include "decoder/search/order.hpp"

#include <kvstrata/core/error.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace decoder {

void check(const search_options& how, std::span<const std::uint32_t> codebooks)
{
  check_codebooks(codebooks);
  if (how.widths.size() != codebooks.size()) {
    throw kvstrata::config_error("the search's widths", std::to_string(how.widths.size()) + " steps",
                                 "items have " + std::to_string(codebooks.size()) + " tokens, and each takes one");
  }
  std::uint64_t before = 1;
  for (std::size_t level = 0; level < codebooks.size(); ++level) {
    const std::string name = "the search's width of step " + std::to_string(level);
    if (how.widths[level] == 0) throw kvstrata::config_error(name, 0, "it must be at least 1");
    constexpr std::uint64_t most = 0xffffffff;  // flat indices are below it: order.hpp
    if (before * codebooks[level] > most) {
      throw kvstrata::config_error("the candidates of step " + std::to_string(level),
                                   std::to_string(before) + " x " + std::to_string(codebooks[level]),
                                   "they may be at most " + std::to_string(most));
    }
    before = how.widths[level];
  }
}

request_beams::request_beams(std::span<const std::uint32_t> codebooks, const search_options& how)
    : codebooks_(codebooks.begin(), codebooks.end()), how_(how)
{
  check(how_, codebooks_);
  const std::size_t widest = *std::max_element(how_.widths.begin(), how_.widths.end());
  for (auto* beams : {&beams_, &next_}) beams->reserve(widest);
  for (auto* lines : {&lines_, &next_lines_}) lines->reserve(widest);
  for (auto* numbers : {&parents_, &tokens_, &best_first_}) numbers->reserve(widest);
  keys_.reserve(widest);
  found_.reserve(how_.widths.back());
}

void request_beams::start(std::shared_ptr<const catalogue> items)
{
  if (items == nullptr && how_.constrained) {
    throw kvstrata::usage_error("a search for valid items needs a catalogue, but it is null");
  }
  if (items != nullptr && !std::ranges::equal(items->items().codebooks(), codebooks_)) {
    throw kvstrata::usage_error("the search's codebooks are " + to_string(codebooks_) + ", but the catalogue's are " +
                                to_string(items->items().codebooks()));
  }
  items_ = std::move(items);
  level_ = 0;
  beams_.clear();
  lines_.clear();
  parents_.clear();
  tokens_.clear();
  best_first_.clear();
  found_.clear();
  allowed_begins_.clear();
  if (how_.constrained && items_->showable() == 0) return;
  beams_.push_back({});
  lines_.push_back({});
  best_first_.push_back(0);
}

void request_beams::list_allowed()
{
  if (!how_.constrained || done()) return;
  allowed_.clear();
  allowed_begins_.assign(1, 0);
  for (const beam_score& beam : beams_) {
    items_->allowed(level_, beam.node, [this](std::uint32_t token, std::uint32_t) { allowed_.push_back(token); });
    allowed_begins_.push_back(allowed_.size());
  }
}

void request_beams::advance(std::span<const float> logits, bool ascending_parents)
{
  if (done()) throw kvstrata::usage_error("a request that is done has no beams to advance");
  const std::size_t codebook = codebooks_[level_];
  if (logits.size() != beams_.size() * codebook) {
    throw kvstrata::usage_error(std::to_string(beams_.size()) + " beams have " +
                                std::to_string(beams_.size() * codebook) + " logits of level " +
                                std::to_string(level_) + ", but there are " + std::to_string(logits.size()));
  }
  selector_.start(how_.widths[level_]);
  list_options lists{.over = how_.over, .most = how_.pre_cut != 0 && level_ != 0 ? how_.pre_cut : how_.widths[level_]};
  for (const std::uint32_t b : best_first_) {
    const std::span<const float> mine = logits.subspan(b * codebook, codebook);
    lists.floor = how_.early_termination ? selector_.floor() : 0;
    const auto keys = keys_of(b, mine, lists);
    candidates_ += std::min(list_.candidates(), lists.most);
    listed_ += keys.size();
    if (how_.early_termination) selector_.take(keys);
    else selector_.take_all(keys);
  }
  allowed_begins_.clear();
  visited_ += selector_.visited();
  const auto selected = selector_.finish();
  keys_.assign(selected.begin(), selected.end());
  const auto by_flat = [](std::uint64_t a, std::uint64_t b) { return flat_of(a) < flat_of(b); };
  if (ascending_parents) std::sort(keys_.begin(), keys_.end(), by_flat);

  next_.clear();
  next_lines_.clear();
  parents_.clear();
  tokens_.clear();
  best_first_.clear();
  for (const std::uint64_t key : keys_) {
    const auto index = static_cast<std::uint32_t>(next_.size());
    const auto parent = static_cast<std::uint32_t>(flat_of(key) / codebook);
    const auto token = static_cast<std::uint32_t>(flat_of(key) % codebook);
    // A child of the node that the beam carries: allowed, so it is there.
    const std::uint32_t node = how_.constrained ? *items_->items().child(level_, beams_[parent].node, token) : 0;
    next_.push_back({.score = score_of(key), .node = node, .index = index});
    next_lines_.push_back(lines_[parent]);
    next_lines_.back()[level_] = token;
    parents_.push_back(parent);
    tokens_.push_back(token);
    best_first_.push_back(index);
  }
  if (ascending_parents) {
    std::sort(best_first_.begin(), best_first_.end(),
              [&](std::uint32_t a, std::uint32_t b) { return keys_[a] > keys_[b]; });
  }
  beams_.swap(next_);
  lines_.swap(next_lines_);
  ++level_;
}

std::span<const std::uint64_t> request_beams::keys_of(std::uint32_t beam, std::span<const float> logits,
                                                      const list_options& how)
{
  if (!how_.constrained) return list_.of(beams_[beam], logits, how);
  if (allowed_begins_.empty()) return list_.of(beams_[beam], logits, *items_, level_, how);
  const std::size_t first = allowed_begins_[beam];
  return list_.of(beams_[beam], logits, std::span(allowed_).subspan(first, allowed_begins_[beam + 1] - first), how);
}

std::span<const found_item> request_beams::found()
{
  if (level_ == codebooks_.size() && found_.empty()) {
    for (const std::uint32_t b : best_first_) {
      found_item one{.item = no_item, .score = beams_[b].score, .tokens = lines_[b]};
      if (how_.constrained) one.item = beams_[b].node;
      else if (items_ != nullptr) {
        one.item = items_->items().find(std::span(lines_[b]).first(codebooks_.size())).value_or(no_item);
      }
      found_.push_back(one);
    }
  }
  return found_;
}

}  // namespace decoder
