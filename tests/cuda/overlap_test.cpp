// Layers arrive while others compute, on a cuda_device: by gates, and with kernels that take their time.
#include "cuda/cuda_bed.hpp"
#include "cuda/layerwise_overlap.hpp"

using namespace kvstrata;
using namespace kvstrata_test;

TEST_CASE("cuda: layers arrive while others compute, and are drawn so", "[cuda][overlap]")
{
  gated_device<cuda_device> d({.trace = true});
  layerwise_overlap(d);
}

TEST_CASE("cuda: a layer computes as soon as it has come", "[cuda][overlap]")
{
  cuda_device d({.trace = true});
  device_bed<cuda_device> bed(d);
  overlap_scene<cuda_device> scene(d, 1000);  // 15 MiB a layer
  constexpr layer_index layers = scene.shape.layers;
  scene.displace_user_1();

  // All is queued before anything begins: user 1's pages are those of a lease whose work has not run.
  auto before = scene.prepare(2, scene.pages * scene.page);
  scene.queue(before, 0, [](layer_index) {});
  gate_keeper keeper = bed.hold(scene.compute);
  before.release();
  d.clear_trace();
  auto lease = scene.prepare(1, scene.history + 1);
  REQUIRE(lease.sources(0).from[1] == scene.history);
  scene.queue(lease, 0,
              [&](layer_index) { d.launch(scene.compute, {"layer"}, [](cudaStream_t stream) { spin(stream, 200); }); });
  lease.commit();
  lease.release();
  REQUIRE_FALSE(d.query(d.record(scene.compute)));
  keeper.open();
  scene.settle();

  const std::vector<op_span> up = scene.spans(operation_kind::copy_to_device, "onload");
  std::vector<op_span> kernels = scene.spans(operation_kind::kernel, "compute");
  std::erase_if(kernels, [](const op_span& s) { return s.label != "layer"; });
  REQUIRE(up.size() == layers);
  REQUIRE(kernels.size() == layers);
  constexpr double tick = 20e-6;
  for (layer_index layer = 0; layer < layers; ++layer) REQUIRE(up[layer].end <= kernels[layer].begin + tick);
  // How well threads that stand for streams overlap is the operating system's business.
  if (!spins_on_a_gpu()) return;
  for (layer_index layer = 0; layer + 1 < layers; ++layer) {
    CAPTURE(layer);
    REQUIRE(kernels[layer].begin < up[layer + 1].end);
    REQUIRE(up[layer + 1].begin < kernels[layer].end);
  }
}
