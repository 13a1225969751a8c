// Beams: items decoded token by token from a prompt that lies in the cache.
//
// A request has two parts: its history, which is the prompt, and scratch. What the cache has of the prompt is not computed again,
// and all beams read the same pages of it; their own few tokens lie in scratch, where a beam layout says. Scratch is reserved
// when the lease is planned, and gone with it.
#include "decoder/beam_parts.hpp"
#include "decoder/beam_search.hpp"
#include "decoder/prompt_forward.hpp"

#include <kvstrata/beams/ancestor_indexed.hpp>
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/layout/page_table.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

using namespace kvstrata;

namespace {

constexpr token_count page_tokens = 16;
constexpr std::uint32_t of_histories = 1;  // a key space: the only kind of part here that is kept

// Pages of one request, one after the other, in memory of its own.
struct own_pages
{
  page_table table;
  std::vector<float> memory;
  page_table_view view;

  own_pages(const geometry& shape, token_count tokens)
  {
    const page_count pages = (tokens + page_tokens - 1) / page_tokens;
    const std::size_t page = page_layer_bytes(shape, page_tokens);
    table.append(0, pages);
    table.finish_request(0, tokens, page_tokens);
    memory.resize(shape.layers * pages * page / sizeof(float));
    view = table.view(reinterpret_cast<std::byte*>(memory.data()), {pages * page, page}, shape, page_tokens);
  }
};

// 2,000 items of three tokens, in order, as a file of them would have it (decoder::read_tuples reads one).
std::vector<std::uint32_t> some_items(const std::vector<std::uint32_t>& codebooks)
{
  std::mt19937 random(1);
  std::vector<std::uint32_t> numbers(codebooks[0] * codebooks[1] * codebooks[2]);
  for (std::uint32_t i = 0; i < numbers.size(); ++i) numbers[i] = i;
  std::shuffle(numbers.begin(), numbers.end(), random);
  numbers.resize(2'000);
  std::sort(numbers.begin(), numbers.end());
  std::vector<std::uint32_t> tuples;
  for (const std::uint32_t n : numbers) {
    tuples.insert(tuples.end(), {n / codebooks[2] / codebooks[1], n / codebooks[2] % codebooks[1], n % codebooks[2]});
  }
  return tuples;
}

struct answer
{
  std::vector<decoder::found_item> items;
  token_count computed = 0;
};

using search = decoder::beam_search<ancestor_indexed>;

std::vector<decoder::found_item> decode(search& beams, const page_table_view& prompt, const page_table_view& scratch,
                                        const decoder::catalogue_versions& versions)
{
  beams.start(prompt, scratch, versions.current());
  while (!beams.done()) beams.step();  // a pass and a selection
  return {beams.found(0).begin(), beams.found(0).end()};
}

answer serve(const decoder::model& model, default_cache<emulated_device>& cache, stream_id compute, user_id user,
             std::span<const std::uint32_t> history, search& beams, const decoder::catalogue_versions& versions)
{
  const auto tokens = static_cast<token_count>(history.size());
  const auto parts =
      decoder::beam_parts({.key = {of_histories, to_number(user)}, .tokens = tokens}, beams.scratch_rows());
  const request wanted{.user = user, .parts = parts};
  auto lease = cache.prepare({&wanted, 1}, compute).value();
  const decoder::prompt p{history, tokens, lease.compute(0, decoder::prompt_part)};
  decoder::prompt_forward pass(model, {&p, 1}, lease.view(decoder::prompt_part));
  pass.embed();
  for (layer_index l = 0; l < model.options().layers; ++l) {
    lease.wait_sync(l);  // what came from the arena is there
    pass.layer(l);       // what is new is computed
    lease.layer_done(l);
  }
  lease.commit();
  answer out{decode(beams, lease.view(decoder::prompt_part), lease.view(decoder::scratch_part), versions),
             lease.sources(0, decoder::prompt_part).computed};
  lease.release();  // not before: the beams read its pages
  return out;
}

int run()
{
  const decoder::config sizes{
      .layers = 2, .hidden = 32, .heads = 2, .head_dim = 16, .ffn = 64, .codebooks = {32, 32, 32}};
  const decoder::model model(sizes, 2);
  const auto items = std::make_shared<const decoder::item_trie>(sizes.codebooks, some_items(sizes.codebooks));
  const decoder::catalogue_versions versions(std::make_shared<const decoder::catalogue>(items));

  search beams(model, {.widths = {16, 32, 32}});           // they grow
  own_pages scratch(model.shape(), beams.scratch_rows());  // for the comparison

  emulated_device device;
  const stream_id compute = device.create_stream("compute");
  const std::size_t page = page_bytes(model.shape(), page_tokens);
  default_cache<emulated_device> cache(device, {.shape = model.shape(),
                                                .tiers = {{.bytes = 64 * page}, {.bytes = 600 * page}},
                                                .layout = {.page_tokens = page_tokens, .chunk = 64}});
  std::mt19937 random(2);
  std::vector<std::vector<std::uint32_t>> histories(3);
  bool right = true;
  token_count served = 0, computed = 0;
  for (int round = 0; round < 4; ++round) {
    for (std::size_t user = 0; user < histories.size(); ++user) {  // more than the device memory holds
      for (int token = 0; token < (round == 0 ? 300 : 30); ++token) histories[user].push_back(random() % 32);
      const auto& history = histories[user];
      const answer cached = serve(model, cache, compute, user_id{user}, history, beams, versions);

      own_pages all(model.shape(), static_cast<token_count>(history.size()));  // the same without a cache
      const token_interval whole[] = {{0, static_cast<token_count>(history.size())}};
      const decoder::prompt p{history, whole[0].end, whole};
      decoder::prompt_forward(model, {&p, 1}, all.view).run();
      const auto again = decode(beams, all.view, scratch.view, versions);
      right = right && cached.items.size() == 32 && again.size() == 32;
      for (std::size_t i = 0; right && i < again.size(); ++i) {
        right = cached.items[i].item == again[i].item && std::abs(cached.items[i].score - again[i].score) < 1e-4f;
      }
      served += whole[0].end;
      computed += cached.computed;
    }
  }
  cache.close();
  const beam_traffic traffic = beams.traffic();
  std::printf("%u tokens of prompts were served, %u of them computed\n", served, computed);
  std::printf("beams read %.1f MB of prompts, which they share, and %.1f MB of their own tokens\n",
              static_cast<double>(traffic.prompt_bytes) / 1e6, static_cast<double>(traffic.own_bytes) / 1e6);
  if (!right) std::puts("FAILED: the cache's beams are not those of a prompt that is computed anew");
  return right && computed < served / 2 ? 0 : 1;
}

}  // namespace

int main()
{
  try {
    return run();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 1;
  }
}
