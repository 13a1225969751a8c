#include "replay/decoder/blocks/ways.hpp"

#include "replay/decoder/own_pages.hpp"
#include "replay/format.hpp"

#include "decoder/blocks/serve_context.hpp"
#include "decoder/prompt_forward.hpp"

#include <kvstrata/cache.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/position/position_free.hpp>
#include <kvstrata/position/rotate_on_copy.hpp>
#include <kvstrata/recompute/attention_and_divergence.hpp>
#include <kvstrata/recompute/first_k.hpp>
#include <kvstrata/recompute/k_deviation.hpp>
#include <kvstrata/recompute/none.hpp>
#include <kvstrata/recompute/random.hpp>
#include <kvstrata/recompute/v_deviation.hpp>
#include <kvstrata/simulate/random.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string>
#include <utility>

namespace replay {
namespace {

namespace recompute = kvstrata::recompute;
using cache_type = kvstrata::default_cache<kvstrata::emulated_device>;

cache_type::config tiers_of(const block_context& c)
{
  return {.shape = c.model.shape(),
          .tiers = {{.bytes = c.sizes.device_bytes}, {.bytes = c.sizes.host_bytes}},
          .layout = {.page_tokens = c.sizes.page_tokens, .chunk = c.sizes.chunk_tokens}};
}

void count(token_split& to, const kvstrata::token_sources& from)
{
  for (kvstrata::level_index i = 0; i < kvstrata::most_levels; ++i) to.served[i] += from.from[i];
  to.computed += from.computed;
}

void take_answer(decoder::context_forward& pass, const decoder::block_positions& positions, bool rows, block_answer& to)
{
  const auto logits = pass.logits(0);
  to.logits.assign(logits.approximate_value().begin(), logits.approximate_value().end());
  to.how = logits.how();
  to.layers.clear();
  for (kvstrata::layer_index l = 0; rows && l < pass.view().overlay.shape.layers; ++l)
    to.layers.push_back(decoder::rows_of(pass.view(), l, positions));
}

/// Instruction and history as one append part of the user's, all else the prompt's own. Of an earlier window nothing is left.
class prefix_way final : public block_way
{
 public:
  explicit prefix_way(const block_context& c)
      : context_(c),
        device_({.to_device = c.link, .from_device = c.link}),
        compute_(device_.create_stream("compute")),
        cache_(device_, tiers_of(c)),
        positions_(c.model.options(), position(), c.load.longest),
        pass_(c.model, positions_)
  {
  }

  void serve(const block_prompt& p, block_answer& to, bool rows) override
  {
    const kvstrata::sequence_key key{prefix_of_user, p.user << 24U | p.window};
    list_.start({}, static_cast<kvstrata::token_count>(p.words.size()));
    list_.add({.key = {.kind = key.space, .id = key.id}, .start = 0, .tokens = p.prefix});
    const kvstrata::part parts[] = {{.key = key, .tokens = p.prefix},
                                    {.tokens = list_.context() - p.prefix, .mode = kvstrata::part_mode::scratch}};
    const kvstrata::request wanted{.user = kvstrata::user_id{p.user}, .parts = parts};
    auto lease = cache_.prepare({&wanted, 1}, compute_).value();
    count(counted_, lease.sources(0, 0));
    const decoder::prompt prefix{std::span(p.words).first(p.prefix), p.prefix, lease.compute(0, 0), 0};
    decoder::prompt_forward encode(context_.model, {&prefix, 1}, lease.view(0));
    assembler_.assemble(list_, [&](std::uint32_t) { return lease.view(0); }, 0, lease.view(1));
    const kvstrata::reused_block blocks[] = {{0, p.prefix}};
    pass_.start({.words = p.words, .blocks = blocks}, recompute::none{},
                [this](std::span<const kvstrata::token_interval> anew) {
                  assembler_.compute(anew);
                  return assembler_.view();
                });
    encode.embed();
    for (std::uint32_t l = 0; l < context_.model.options().layers; ++l) {
      lease.wait_sync(l);
      encode.layer(l);
      pass_.layer(l);
      lease.layer_done(l);
    }
    take_answer(pass_, positions_, rows, to);
    to.encoded = encode.rows();
    to.rows = pass_.work().whole_rows + encode.rows() * (context_.model.options().layers - 1);
    lease.finish();
  }
  void settle() override { cache_.drain_sync(); }
  [[nodiscard]] const token_split& counted() const noexcept override { return counted_; }

 private:
  /// K is kept as prompt_forward keeps it, turned as from the beginning, where the prefix stands.
  using position = kvstrata::position::rotate_on_copy;

  const block_context& context_;
  kvstrata::emulated_device device_;
  kvstrata::stream_id compute_;
  cache_type cache_;
  decoder::block_positions positions_;
  kvstrata::assembler<position> assembler_;
  decoder::context_forward pass_;
  kvstrata::block_list list_;
  token_split counted_;
};

/// All texts as read parts out of the cache.
template <kvstrata::token_selector S>
class texts_way final : public block_way
{
 public:
  texts_way(const block_context& c, const block_case& which)
      : context_(c),
        stands_in_(which.stands_in),
        shares_(kvstrata::recompute_shares::of(S::recomputes ? static_cast<float>(which.share) : 0)),
        device_({.to_device = c.link, .from_device = c.link}),
        compute_(device_.create_stream("compute")),
        cache_(device_, tiers_of(c)),
        positions_(c.model.options(), kvstrata::position::position_free{}, c.load.longest),
        server_(c.model, positions_)
  {
    if (stands_in_) server_.allow_stand_ins(*c.prototypes, block_of_stand_ins);
  }

  void serve(const block_prompt& p, block_answer& to, bool rows) override
  {
    const auto context = static_cast<kvstrata::token_count>(p.words.size());
    list_.start({}, context);
    blocks_.clear();
    always_.clear();
    kvstrata::token_count items = 0, history = 0;
    for (const placed_text& t : p.texts) {
      const bool history_text = t.group == kvstrata::block_group::history, by_prototypes = stands_in_ && history_text;
      const std::uint32_t kind = by_prototypes ? std::uint32_t{block_of_stand_ins} : t.kind;
      const std::uint64_t version = by_prototypes ? context_.prototypes->version() : 1;
      list_.add({.key = {.kind = kind, .id = t.id, .version = version}, .start = t.start, .tokens = t.tokens});
      blocks_.push_back({t.start, t.tokens, t.group, by_prototypes});
      (history_text ? history : items) += t.tokens;
      if (by_prototypes) server_.finder().lacking(words_of(p, t), t.start, always_);
    }
    kvstrata::token_count always = 0;
    for (const kvstrata::token_interval i : always_) always += i.size();
    const kvstrata::token_count computed = context - items - history + always +
                                           kvstrata::tokens_of_share(shares_.items, items) +
                                           kvstrata::tokens_of_share(shares_.history, history - always);
    decoder::context_parts(list_, server_.assembly(), computed, context_.sizes.page_tokens, parts_);
    const kvstrata::request wanted{.user = kvstrata::user_id{p.user}, .parts = parts_};
    auto lease = cache_.prepare({&wanted, 1}, compute_).value();
    texts_.assign(list_.parts().size(), {});
    for (std::size_t b = 0; b < p.texts.size(); ++b) texts_[list_.part_number(b)] = words_of(p, p.texts[b]);
    for (std::size_t part = 0; part < texts_.size(); ++part) count(counted_, lease.sources(0, part));
    server_.compute(lease, 0, list_, {.words = p.words, .blocks = blocks_, .shares = shares_, .always = always_}, S{},
                    [this](std::uint32_t part) { return texts_[part]; });
    take_answer(server_.pass(), positions_, rows, to);
    to.encoded = server_.encoded();
    to.rows = server_.pass().work().whole_rows + to.encoded * (context_.model.options().layers - 1);
    lease.finish();
  }
  void settle() override { cache_.drain_sync(); }
  [[nodiscard]] const token_split& counted() const noexcept override { return counted_; }

 private:
  const block_context& context_;
  bool stands_in_;
  kvstrata::recompute_shares shares_;
  kvstrata::emulated_device device_;
  kvstrata::stream_id compute_;
  cache_type cache_;
  decoder::block_positions positions_;
  decoder::context_server<kvstrata::position::position_free> server_;
  kvstrata::block_list list_;
  std::vector<kvstrata::reused_block> blocks_;
  std::vector<kvstrata::token_interval> always_;
  std::vector<std::span<const std::uint32_t>> texts_;  // [part]
  std::vector<kvstrata::part> parts_;
  token_split counted_;
};

kvstrata::page_count pages_of(kvstrata::token_count tokens, kvstrata::token_count page_tokens)
{
  return (tokens + page_tokens - 1) / page_tokens;
}

}  // namespace

block_sizes choose_block_sizes(const block_options& o, const block_load& load, std::uint64_t memory_bytes)
{
  constexpr std::size_t mib = std::size_t{1} << 20;
  block_sizes s{.page_tokens = o.common.page_tokens,
                .chunk_tokens = o.common.chunk_tokens.value_or(8 * o.common.page_tokens)};
  const std::size_t page = kvstrata::page_bytes(decoder::geometry_of(config_of(o)), s.page_tokens);
  kvstrata::page_count largest = 1;
  for (const block_prompt& p : load.prompts) {
    std::map<std::pair<std::uint32_t, std::uint64_t>, kvstrata::token_count> distinct;
    for (const placed_text& t : p.texts) {  // by prototypes a history's text is another block than a candidate's
      const bool by_prototypes = o.prototypes != 0 && t.group == kvstrata::block_group::history;
      distinct[{by_prototypes ? std::uint32_t{block_of_stand_ins} : t.kind, t.id}] = t.tokens;
    }
    kvstrata::page_count pages = pages_of(static_cast<kvstrata::token_count>(p.words.size()), s.page_tokens) + 1;
    for (const auto& [key, tokens] : distinct) pages += pages_of(tokens, s.page_tokens);
    largest = (std::max)(largest, pages);
  }
  const auto of_share = [&](double share) {
    return static_cast<std::size_t>(std::ceil(share * static_cast<double>(load.distinct_pages))) * page;
  };
  s.device_bytes = o.common.device_mib ? *o.common.device_mib * mib : of_share(o.common.device_share);
  s.host_bytes = (std::max)(page, o.common.host_mib ? *o.common.host_mib * mib : of_share(o.common.host_share));
  if (o.common.device_mib && s.device_bytes < largest * page) {
    throw kvstrata::config_error(
        "--device-mib", *o.common.device_mib,
        "the largest prompt needs " + std::to_string((largest * page + mib - 1) / mib) + " MiB");
  }
  s.device_bytes = (std::max)(s.device_bytes, largest * page);
  const std::size_t all = chosen_cases(o).size() * (s.device_bytes + s.host_bytes);
  if (memory_bytes != 0 && all > memory_bytes / 10 * 8) {
    throw kvstrata::config_error("--cases", chosen_cases(o).size(),
                                 "their caches take " + bytes_text(all) + ", and this machine has " +
                                     bytes_text(memory_bytes) + "; take fewer cases or shares, or a smaller model");
  }
  return s;
}

kvstrata::prototype_pool make_prototypes(const block_options& o, const block_load& load, const decoder::model& m)
{
  kvstrata::prototype_pool pool({.dimensions = m.options().hidden,
                                 .most = (std::max)(1U, o.prototypes),
                                 .least_cosine = o.least_cosine,
                                 .seed = kvstrata::derive_seed(o.common.seed, 95)},
                                m.shape());
  const decoder::block_positions positions(m.options(), kvstrata::position::position_free{},
                                           (std::max)(o.most_tokens, 1U));
  decoder::block_forward encode(m, positions);
  own_pages pages(o.common.page_tokens);
  for (const std::vector<std::uint32_t>& text : load.samples) {
    const auto tokens = static_cast<kvstrata::token_count>(text.size());
    const decoder::block_to_encode block{text, pages.reserve(m.shape(), {&tokens, 1}), 0};
    encode.run({&block, 1});
    static_cast<void>(decoder::learn_prototypes(pool, m, block));
    if (pool.index().size() == o.prototypes) break;
  }
  return pool;
}

std::unique_ptr<block_way> make_way(const block_context& context, const block_case& which)
{
  if (which.reuse == text_reuse::prefix) return std::make_unique<prefix_way>(context);
  switch (which.by) {
    case chooser::none: return std::make_unique<texts_way<recompute::none>>(context, which);
    case chooser::first_k: return std::make_unique<texts_way<recompute::first_k>>(context, which);
    case chooser::k_deviation: return std::make_unique<texts_way<recompute::k_deviation>>(context, which);
    case chooser::v_deviation: return std::make_unique<texts_way<recompute::v_deviation>>(context, which);
    case chooser::attention_and_divergence:
      return std::make_unique<texts_way<recompute::attention_and_divergence>>(context, which);
    case chooser::random: return std::make_unique<texts_way<recompute::random>>(context, which);
  }
  return nullptr;
}

block_answer compute_anew(const block_context& context, const block_prompt& p)
{
  // Without blocks nothing is turned but the prompt's own tokens, so any policy gives the same.
  const decoder::block_positions positions(context.model.options(), kvstrata::position::rotate_on_copy{},
                                           context.load.longest);
  own_pages pages(context.sizes.page_tokens);
  const auto tokens = static_cast<kvstrata::token_count>(p.words.size());
  kvstrata::block_list list;
  list.start({}, tokens);
  kvstrata::assembler<kvstrata::position::rotate_on_copy> assembler;
  const kvstrata::page_table_view view = pages.reserve(context.model.shape(), {&tokens, 1});
  assembler.assemble(list, [&](std::uint32_t) { return view; }, 0, view);
  decoder::context_forward pass(context.model, positions);
  pass.start({.words = p.words}, recompute::none{}, [&](std::span<const kvstrata::token_interval> anew) {
    assembler.compute(anew);
    return assembler.view();
  });
  for (std::uint32_t l = 0; l < context.model.options().layers; ++l) pass.layer(l);
  block_answer out;
  take_answer(pass, positions, true, out);
  out.rows = pass.work().whole_rows;
  return out;
}

}  // namespace replay
