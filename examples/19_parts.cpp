// Parts: a request made of a static profile that changes as a whole, recent events that are appended, and candidates that nobody
// keeps. What each of them costs as a user comes back: the profile is served whole or computed whole, events go on where they
// were, and both go when the profile changes. At last two users who read one segment that both have.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <cstdint>
#include <cstdio>
#include <vector>

using namespace kvstrata;
using D = emulated_device;

constexpr geometry kv_shape{.layers = 4, .kv_heads = 2, .head_dim = 64, .element = element_type::bf16};
constexpr token_count page_tokens = 32;
constexpr std::size_t page = page_bytes(kv_shape, page_tokens);

// A space is a kind of part: what its ids mean is the caller's affair.
constexpr std::uint32_t profiles = 1, events = 2, catalogues = 3;

part profile_of(std::uint64_t user, std::uint64_t version)
{
  return {.key = {profiles, user}, .version = version, .tokens = 1000, .mode = part_mode::replace};
}
part events_of(std::uint64_t user, token_count tokens) { return {.key = {events, user}, .tokens = tokens}; }
part candidates(token_count tokens) { return {.tokens = tokens, .mode = part_mode::scratch}; }

// One request from beginning to end. The model would compute, layer by layer, the tokens of lease.compute(0, part) in the pages
// of lease.view(part).
template <class Cache>
std::vector<token_sources> serve(Cache& cache, stream_id compute, std::uint64_t user, const std::vector<part>& parts)
{
  const request r{.user = user_id{user}, .parts = parts};
  auto lease = cache.prepare({&r, 1}, compute).value();
  std::vector<token_sources> out;
  for (std::size_t p = 0; p < parts.size(); ++p) out.push_back(lease.sources(0, p));
  for (layer_index l = 0; l < kv_shape.layers; ++l) {
    lease.wait(l);
    lease.layer_done(l);
  }
  lease.finish();
  return out;
}

int main()
{
  D device({.time = time_mode::virtual_time});
  const stream_id compute = device.create_stream("compute");
  default_cache<D> cache(device, {.shape = kv_shape,
                                  .tiers = {{.bytes = 60 * page}, {.bytes = 200 * page}},
                                  .layout = {.page_tokens = page_tokens}});

  bool good = true;
  const auto show = [&](const char* what, std::uint64_t version, token_count seen, token_count profile_computed,
                        token_count events_computed) {
    const auto from = serve(cache, compute, 7, {profile_of(7, version), events_of(7, seen), candidates(100)});
    std::printf("%-28s profile: %4u computed, events: %2u computed of %2u; superseded so far: %4llu\n", what,
                from[0].computed, from[1].computed, seen,
                static_cast<unsigned long long>(cache.stats().forgotten.superseded));
    good = good && from[0].computed == profile_computed && from[1].computed == events_computed;
  };
  show("the first request", 1, 20, 1000, 20);
  show("eight events later", 1, 28, 0, 8);
  show("a new day, a new profile", 2, 30, 1000, 30);  // not one row of the old one, nor of what stood on it
  show("two events later", 2, 32, 0, 2);
  good = good && cache.stats().forgotten.superseded == 1000 + 28;

  // Two requests of a batch read one catalogue: the first computes it, the other has its pages.
  const std::vector<part> first{{.key = {catalogues, 1}, .tokens = 64, .mode = part_mode::read}, events_of(1, 10)};
  const std::vector<part> second{{.key = {catalogues, 1}, .tokens = 64, .mode = part_mode::read}, events_of(2, 10)};
  const request batch[] = {{.user = user_id{1}, .parts = first}, {.user = user_id{2}, .parts = second}};
  auto lease = cache.prepare(batch, compute).value();
  const page_table_view shared = lease.view(0), own = lease.view(1);
  std::printf("two who read one catalogue: pages %d and %d of it, pages %d and %d of their own\n",
              static_cast<int>(shared.pages(0)[0]), static_cast<int>(shared.pages(1)[0]),
              static_cast<int>(own.pages(0)[0]), static_cast<int>(own.pages(1)[0]));
  good = good && shared.pages(0)[0] == shared.pages(1)[0] && own.pages(0)[0] != own.pages(1)[0];
  good = good && lease.compute(0, 0).size() == 1 && lease.compute(1, 0).empty();

  // While one lease computes a catalogue, others wait for its commit; or they compute one of their own, and nobody keeps that.
  part wanted{.key = {catalogues, 2}, .tokens = 64, .mode = part_mode::read};
  const request asks{.user = user_id{1}, .parts = {&wanted, 1}};
  const auto writer = cache.prepare({&asks, 1}, compute).value();
  const auto too_early = cache.prepare({&asks, 1}, compute);
  good = good && !too_early && comes_by_commit(too_early.why());  // then: cache.wait_sync(too_early.why(), at_most)
  std::printf("%s\n", to_string(too_early.why()).c_str());
  wanted.if_computed_elsewhere = computed_elsewhere::compute_own;
  const auto alone = cache.prepare({&asks, 1}, compute).value();
  good = good && alone.plan().requests[0].own && alone.compute(0).size() == 1;

  // A version that goes back is a mistake, and says so.
  try {
    static_cast<void>(serve(cache, compute, 7, {profile_of(7, 1)}));
    good = false;
  } catch (const history_error& e) {
    std::printf("%s\n", e.what());
  }
  return good ? 0 : 1;
}
