// A cache on an NVIDIA GPU: the story of 01_hello_lease.cpp, with kernels for a model. Without a GPU it says so and ends.
//
// A user asks, asks again a little later, and a third time after somebody else has taken the whole device. Their keys are
// computed once; kernels on the GPU check that every token reads right.
#include <kvstrata/cuda.cuh>
#include <kvstrata/kvstrata.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <exception>

using namespace kvstrata;

using gpu_cache = default_cache<cuda_device>;

constexpr geometry kv_shape{.layers = 2, .kv_heads = 1, .head_dim = 4, .element = element_type::f32};

// What our "model" computes for a token.
constexpr float key_of(float user, token_count token) { return 1000 * user + static_cast<float>(token); }

// K of the tokens that nobody has. Real models write V, too; launch_append_rows does both.
__global__ void compute_keys(paged_layer pages, token_interval missing, float user)
{
  const token_count token = missing.begin + threadIdx.x;
  if (token < missing.end) *reinterpret_cast<float*>(pages.key(0, token)) = key_of(user, token);
}

// Reads the whole history, as attention would, and counts what reads wrong.
__global__ void read_keys(paged_layer pages, token_count history, float user, unsigned* wrong)
{
  const token_count token = threadIdx.x;
  if (token < history && *reinterpret_cast<const float*>(pages.key(0, token)) != key_of(user, token))
    atomicAdd(wrong, 1);
}

// Pinned memory of ours, which kernels can read: a batch's page table, and what they counted.
struct shared_with_gpu
{
  page_id page_ids[64];
  std::int32_t indptr[2];
  unsigned wrong;
};

token_sources serve(cuda_device& device, gpu_cache& cache, stream_id compute, shared_with_gpu& shared, user_id user,
                    token_count history)
{
  const request batch[] = {{.user = user, .history_tokens = history}};
  gpu_cache::lease lease = cache.prepare(batch, compute).value();  // decides, and queues the onload; does not block
  const token_sources from = lease.sources(0);

  const page_table_view view = lease.view();
  std::copy(view.page_ids.begin(), view.page_ids.end(), shared.page_ids);
  std::copy(view.indptr.begin(), view.indptr.end(), shared.indptr);
  const auto name = static_cast<float>(to_number(user));
  for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
    const paged_layer pages = layer_of(view, layer, shared.page_ids, shared.indptr);
    lease.wait(layer);  // the stream waits for the layer's cached tokens, the host does not
    device.launch(compute, {"model layer"}, [&](cudaStream_t stream) {
      for (const token_interval missing : lease.compute(0)) {
        compute_keys<<<1, 64, 0, stream>>>(pages, missing, name);
      }
      read_keys<<<1, 64, 0, stream>>>(pages, history, name, &shared.wrong);
    });
    lease.layer_done(layer);  // the layer's new tokens are on their way down as soon as the kernels are done
  }
  lease.commit();
  device.wait_sync(device.record(compute));  // only because the next request writes `shared` again

  std::printf("user %.0f, %2u tokens: %2u from the slab, %2u from the arena, %2u computed\n", double{name}, history,
              from.from[0], from.from[1], from.computed);
  return from;
}

int main()
try {
  if (const auto gpus = kvstrata::cuda::probe_gpus(); !gpus) {
    std::printf("SKIPPED: a cache on a GPU because %s\n", gpus.reason.c_str());
    return 0;
  }
  cuda_device device;
  const stream_id compute = device.create_stream("compute");

  // Pages of 4 tokens: 256 bytes each. Room for 8 pages of device memory and for 64 of host memory.
  gpu_cache cache(device, {.shape = kv_shape,
                           .tiers = {{.bytes = 8 * 256}, {.bytes = 64 * 256}},
                           .layout = {.page_tokens = 4, .chunk = 16}});
  const cuda_device::memory pinned = device.allocate_pinned(sizeof(shared_with_gpu), "page table");
  auto& shared = *new (pinned.data()) shared_with_gpu{};

  const token_sources first = serve(device, cache, compute, shared, user_id{1}, 20);
  const token_sources second = serve(device, cache, compute, shared, user_id{1}, 23);  // 3 tokens later
  serve(device, cache, compute, shared, user_id{2}, 32);                               // needs the whole slab
  const token_sources third = serve(device, cache, compute, shared, user_id{1}, 25);
  cache.close();  // everything has arrived where it belongs

  const bool as_told = first.computed == 20 && second.from[0] == 20 && second.computed == 3 && third.from[1] == 23 &&
                       third.computed == 2 && shared.wrong == 0;
  std::puts(as_told ? "Nothing was computed twice." : "FAILED: that is not what the story says");
  return as_told ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "error: %s\n", e.what());
  return 1;
}
