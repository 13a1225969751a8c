// Blocks: a prompt whose candidates are not a prefix of anything. Their KV is kept by content, put at other places of another
// prompt, and computed anew where that matters most. What comes out is approximate, and its type says so: here it stands beside
// what full recomputation gives, as more and more is computed anew.
#include "decoder/blocks/context_rows.hpp"
#include "decoder/blocks/serve_context.hpp"
#include "decoder/blocks/vocabulary.hpp"

#include <kvstrata/assembly/append_behind.hpp>
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/position/position_free.hpp>
#include <kvstrata/recompute/k_deviation.hpp>
#include <kvstrata/recompute/none.hpp>

#include <cstdint>
#include <cstdio>
#include <span>
#include <vector>

using namespace kvstrata;
using D = emulated_device;
using keeps = position::position_free;  // K is kept unturned: pages serve any place as they are

constexpr token_count page_tokens = 16, item_tokens = 60, own_tokens = 10, longest = 512;
constexpr std::uint32_t of_items = 1;  // the kind of block, a key space

// An item's text, in words of the model's vocabulary.
std::vector<std::uint32_t> text_of(std::uint64_t item)
{
  std::vector<std::uint32_t> words;
  for (std::uint32_t t = 0; t < item_tokens; ++t)
    words.push_back(static_cast<std::uint32_t>((item * 131 + t * t * 7) % 700));
  return words;
}

int main()
{
  const decoder::model model(
      {.layers = 4, .hidden = 64, .heads = 2, .head_dim = 32, .ffn = 128, .codebooks = {256, 256, 256}}, 1);
  const decoder::block_positions positions(model.options(), keeps{}, longest);
  D device;
  const stream_id compute = device.create_stream("compute");
  default_cache<D> cache(device, {.shape = model.shape(),
                                  .tiers = {{.bytes = 200 * page_bytes(model.shape(), page_tokens)},
                                            {.bytes = 200 * page_bytes(model.shape(), page_tokens)}},
                                  .layout = {.page_tokens = page_tokens, .chunk = 64}});
  decoder::context_server<keeps> server(model, positions);

  struct answer
  {
    std::vector<float> logits;
    reuse_report how;
    std::uint64_t encoded = 0;  // tokens of blocks that were not in the cache
  };
  // The user's words, then candidates, then the start token. `take_blocks`: candidates as blocks, or as words of its own.
  const auto ask = [&](const std::vector<std::uint64_t>& items, bool take_blocks, const auto& selector, float share) {
    std::vector<std::uint32_t> words(own_tokens, 5);
    block_list list;
    std::vector<reused_block> blocks;
    list.start(epoch_id{}, static_cast<token_count>(own_tokens + items.size() * item_tokens + 1));
    for (const std::uint64_t item : items) {
      const auto at = static_cast<token_count>(words.size());
      if (take_blocks) {
        list.add({.key = {.kind = of_items, .id = item, .version = 1}, .start = at, .tokens = item_tokens});
        blocks.push_back({at, item_tokens});
      }
      const auto text = text_of(item);
      words.insert(words.end(), text.begin(), text.end());
    }
    words.push_back(decoder::start_word(model.options()));

    std::vector<part> parts;
    decoder::context_parts(list, server.assembly(), list.context(), page_tokens, parts);
    const request wanted{.user = user_id{1}, .parts = parts};
    auto lease = cache.prepare({&wanted, 1}, compute).value();
    std::vector<std::vector<std::uint32_t>> texts;
    for (const part& p : list.parts()) texts.push_back(text_of(p.key.id));
    server.compute(lease, 0, list, {.words = words, .blocks = blocks, .shares = recompute_shares::of(share)}, selector,
                   [&](std::uint32_t number) { return std::span<const std::uint32_t>(texts[number]); });
    const approximate<std::span<const float>> logits = server.pass().logits(0);
    answer out{{logits.approximate_value().begin(), logits.approximate_value().end()}, logits.how(), server.encoded()};
    lease.finish();
    return out;
  };

  bool good = true;
  const answer first = ask({3, 8, 1}, true, recompute::none{}, 0);
  std::printf("the first request encodes its candidates: %llu tokens\n",
              static_cast<unsigned long long>(first.encoded));
  good = good && first.encoded == 3 * item_tokens;

  const std::vector<std::uint64_t> next{1, 9, 3, 8};  // in another order, and one that nobody has asked for
  const answer exact = ask(next, false, recompute::none{}, 0);
  good = good && exact.how.exact();
  std::printf("another one, three of its four candidates elsewhere in its prompt:\n");
  double before = 1e9;
  for (const float share : {0.0F, 0.25F, 0.5F, 1.0F}) {
    const answer a = ask(next, true, recompute::k_deviation{}, share);
    const double error = decoder::relative_error(a.logits, exact.logits);
    std::printf("  share %.2f: %2llu encoded, %3u reused, %3u computed anew, %u its own; logits %.4f off%s\n",
                static_cast<double>(share), static_cast<unsigned long long>(a.encoded), a.how.reused, a.how.recomputed,
                a.how.own, error, a.how.exact() ? ", exact" : "");
    good = good && (share != 0 || a.encoded == item_tokens) && (share == 0 || a.encoded == 0);
    good = good && error < before;
    before = error;
  }
  good = good && before < 1e-4;

  // Who keeps rows of their own behind such a context asks for them by what they rest on: other words of the user's own are another
  // ground, though all blocks are where they were.
  const auto history_behind = [&](std::uint32_t word) {
    std::vector<std::uint32_t> words(own_tokens, word);
    words.insert(words.end(), item_tokens, 0U);  // a block's are not looked at
    block_list list;
    list.start(epoch_id{}, own_tokens + item_tokens);
    list.add({.key = {.kind = of_items, .id = 3, .version = 1}, .start = own_tokens, .tokens = item_tokens});
    const std::uint64_t own = fingerprint_of_own(list, std::span<const std::uint32_t>(words));
    return append_behind({.key = {7, 1}, .tokens = 20}, list, recompute_shares::of(0.25F), "k_deviation", own);
  };
  good = good && history_behind(5).version == history_behind(5).version;
  good = good && history_behind(5).version != history_behind(6).version;

  // Blocks that cannot be where they are said to be are refused.
  try {
    block_list list;
    list.start(epoch_id{}, 100);
    list.add({.key = {.kind = of_items, .id = 3, .version = 1}, .start = 0, .tokens = 60});
    list.add({.key = {.kind = of_items, .id = 8, .version = 1}, .start = 50, .tokens = 60});
    good = false;
  } catch (const usage_error& e) {
    std::printf("%s\n", e.what());
  }
  return good ? 0 : 1;
}
