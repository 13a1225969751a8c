// Hello, lease: the smallest use of a cache, from beginning to end.
//
// A user asks three times. The first time everything must be computed. The second time all but the newest tokens lie in
// the slab. Then another user pushes the first one out, and the third time their keys and values come back from the arena.
// Nothing is ever computed twice.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <cstdio>

using namespace kvstrata;

// Four choices make a cache: where keys and values live, how they lie there, how they move, and who goes first.
using my_cache = cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>,  // a slab above an arena
                       hybrid_layout,                                             // pages above, larger extents below
                       layerwise_transfer<>,  // one layer travels while another computes
                       lru>;                  // the least recently used goes first

// The model's attention: one layer, one head of four floats. 16 bytes of K a token, and as many of V.
constexpr geometry kv_shape{.layers = 1, .kv_heads = 1, .head_dim = 4, .element = element_type::f32};

// What our "model" computes for a token: any function of the user and the position will do.
float key_of(user_id user, token_count token) { return static_cast<float>(1000 * to_number(user) + token); }

// Computes what is missing, then reads the whole history as attention would. True when every token reads right.
bool run_model(my_cache::lease& lease, user_id user, token_count history)
{
  const page_table_view view = lease.view();
  const auto key = [&](token_count token) { return reinterpret_cast<float*>(view.key(0, 0, token)); };

  lease.wait_sync(0);  // layer 0's cached tokens have arrived. A model on a GPU would call wait(0), which doesn't block
  for (const token_interval missing : lease.compute(0)) {
    for (token_count token = missing.begin; token < missing.end; ++token) *key(token) = key_of(user, token);
  }
  lease.layer_done(0);  // layer 0's new tokens are written

  bool right = view.tokens(0) == history;
  for (token_count token = 0; token < history; ++token) right = right && *key(token) == key_of(user, token);
  return right;
}

// Serves one request for a user whose history has so many tokens by now. Returns where the tokens came from.
token_sources serve(my_cache& cache, stream_id compute, user_id user, token_count history)
{
  const request batch[] = {{.user = user, .history_tokens = history}};

  // The lease: while we have it, nobody evicts or moves this user's pages.
  my_cache::lease lease = cache.prepare(batch, compute).value();
  const token_sources from = lease.sources(0);
  const bool right = run_model(lease, user, history);
  lease.commit();   // the new tokens are valid from now on, and on their way down to the arena
  lease.release();  // the pages may be evicted again. The destructor would do as well

  std::printf("user %llu, %2u tokens: %2u from the slab, %2u from the arena, %2u computed; %s\n",
              static_cast<unsigned long long>(to_number(user)), history, from.from[0], from.from[1], from.computed,
              right ? "all read right" : "READ WRONG");
  return right ? from : token_sources{};
}

int main()
{
  emulated_device device;  // device memory and streams, made of host memory and threads
  const stream_id compute = device.create_stream("compute");

  // Pages of 4 tokens: 128 bytes each. Room for 8 pages of device memory and for 64 of host memory.
  my_cache cache(device, {.shape = kv_shape,
                          .tiers = {{.bytes = 8 * 128}, {.bytes = 64 * 128}},
                          .layout = {.page_tokens = 4, .chunk = 16}});

  const token_sources first = serve(cache, compute, user_id{1}, 20);
  const token_sources second = serve(cache, compute, user_id{1}, 23);  // 3 tokens later
  serve(cache, compute, user_id{2}, 32);                               // needs the whole slab
  const token_sources third = serve(cache, compute, user_id{1}, 25);

  cache.close();  // everything has arrived where it belongs

  const bool as_told = first.computed == 20 && second.from[0] == 20 && second.computed == 3 && third.from[1] == 23 &&
                       third.computed == 2;
  std::puts(as_told ? "Nothing was computed twice." : "FAILED: that is not what the story says");
  return as_told ? 0 : 1;
}
