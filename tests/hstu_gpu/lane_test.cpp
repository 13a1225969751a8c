// How passes share a lane: their order, what is queued without waiting, what a step costs, what is refused.
#include "hstu_gpu/emulated_machine.hpp"
#include "hstu_gpu/model_bed.hpp"
#include "support/catch.hpp"

#include <kvstrata/core/error.hpp>

#include <future>
#include <optional>
#include <string>

namespace {

using namespace hstu_gpu_test;
using hstu::gpu::lane_config;
using hstu::gpu::small_copies;
using machine_type = emulated_machine_of<0, false>;  // what is watched counts kernels more
using emulated_bed = model_bed<machine_type>;
using pass = hstu::gpu::pass<machine_type::runner>;

struct fixture
{
  explicit fixture(lane_config how = {})
      : bed(small_config(), how),
        one(random, 40, 3),
        two(random, 65, 2),
        memory(random, bed.device(), bed.stream, bed.model.shape(), 16, {one.history}),
        more(random, bed.device(), bed.stream, bed.model.shape(), 16, {two.history})
  {
  }

  [[nodiscard]] std::vector<hstu::request> first() const { return {one.request()}; }
  [[nodiscard]] std::vector<hstu::request> second() const { return {two.request()}; }

  generator random{41};
  emulated_bed bed;
  user one, two;
  device_pages<kvstrata::emulated_device> memory, more;
};

std::vector<float> scores_of(const pass& p)
{
  const auto found = p.scores_sync();
  return {found.begin(), found.end()};
}

template <class Error, class Call>
std::string sentence_of(Call&& call)
{
  try {
    call();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

bool says(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("passes are queued while earlier ones have not begun", "[hstu]")
{
  fixture f;
  const std::vector<float> first = f.bed.run(f.first(), f.memory.view());
  const std::vector<float> second = f.bed.run(f.second(), f.more.view());

  std::promise<void> open;
  const std::shared_future<void> gate = open.get_future().share();
  f.bed.device().launch(f.bed.stream, {.label = "gate"}, [gate] { gate.wait(); });
  const pass a = f.bed.queue(f.first(), f.memory.view());
  const pass b = f.bed.queue(f.second(), f.more.view());
  const pass c = f.bed.queue(f.first(), f.memory.view());  // all three live: each has its own arrays
  CHECK_FALSE(f.bed.device().query(a.done()));
  open.set_value();
  CHECK(scores_of(c) == first);
  CHECK(scores_of(b) == second);
  CHECK(scores_of(a) == first);
  CHECK(f.bed.device().query(a.done()));
}

TEST_CASE("a pass that is gone leaves its arrays to what it has queued", "[hstu]")
{
  fixture f;
  const std::vector<float> second = f.bed.run(f.second(), f.more.view());
  const std::vector<std::byte> before = f.memory.read();
  std::promise<void> open;
  const std::shared_future<void> gate = open.get_future().share();
  f.bed.device().launch(f.bed.stream, {.label = "gate"}, [gate] { gate.wait(); });
  {
    const pass dropped = f.bed.queue(f.first(), f.memory.view());
  }
  const pass b = f.bed.queue(f.second(), f.more.view());
  open.set_value();
  CHECK(scores_of(b) == second);
  // What was dropped has run nevertheless: it has written its K and V, as a pass alone does.
  const std::vector<std::byte> after = f.memory.read();
  CHECK(after != before);
  f.memory.write(before);
  static_cast<void>(f.bed.run(f.first(), f.memory.view()));
  CHECK(after == f.memory.read());
}

TEST_CASE("in steady state nothing is allocated, and a smaller pass needs no more", "[hstu]")
{
  fixture f;
  for (int i = 0; i < 3; ++i) static_cast<void>(f.bed.run(f.second(), f.more.view()));
  const std::size_t device = f.bed.device().device_bytes_used();
  const std::size_t pinned = f.bed.device().pinned_bytes_used();
  for (int i = 0; i < 5; ++i) static_cast<void>(f.bed.run(f.first(), f.memory.view()));
  for (int i = 0; i < 5; ++i) static_cast<void>(f.bed.run(f.second(), f.more.view()));
  CHECK(f.bed.device().device_bytes_used() == device);
  CHECK(f.bed.device().pinned_bytes_used() == pinned);
}

TEST_CASE("a layer queues six kernels and products, a pass two copies", "[hstu]")
{
  fixture f;
  const auto kernels = [&] { return f.bed.device().stats().kernels; };
  const auto copies = [&] {
    return f.bed.device().stats().to_device.copies + f.bed.device().stats().from_device.copies;
  };
  pass p(f.bed.lane, f.first(), f.memory.view());
  const auto copies_before = copies();
  const auto began = kernels();
  p.embed();
  CHECK(kernels() == began + 1);
  p.layer(0);
  CHECK(kernels() == began + 7);
  p.layer(1);
  CHECK(kernels() == began + 13);
  p.layer(2);  // the last one projects K and V of history rows apart
  CHECK(kernels() == began + 20);
  p.head();
  CHECK(kernels() == began + 23);
  CHECK(copies() == copies_before + 2);
  CHECK(scores_of(p).size() == 3u * small_config().tasks);
}

TEST_CASE("small copies by a kernel bring the same", "[hstu]")
{
  fixture engine;
  fixture kernel(lane_config{.travel = small_copies::kernel, .copy_sms = 2});
  const auto before = kernel.bed.device().stats().to_device.copies;
  CHECK(kernel.bed.run(kernel.first(), kernel.memory.view()) == engine.bed.run(engine.first(), engine.memory.view()));
  CHECK(kernel.bed.device().stats().to_device.copies == before);
}

TEST_CASE("passes take turns", "[hstu]")
{
  fixture f;
  const std::vector<float> second = f.bed.run(f.second(), f.more.view());
  std::optional<pass> a(std::in_place, f.bed.lane, f.first(), f.memory.view());
  a->embed();
  a->layer(0);
  pass b(f.bed.lane, f.second(), f.more.view());
  CHECK(says(sentence_of<kvstrata::usage_error>([&] { b.embed(); }), "another pass of the same lane"));
  a.reset();  // in the midst
  b.embed();
  for (kvstrata::layer_index l = 0; l < 3; ++l) b.layer(l);
  b.head();
  CHECK(scores_of(b) == second);
}

TEST_CASE("steps out of turn are refused and change nothing", "[hstu]")
{
  using kvstrata::usage_error;
  fixture f;
  const std::vector<float> first = f.bed.run(f.first(), f.memory.view());
  pass p(f.bed.lane, f.first(), f.memory.view());
  CHECK(says(sentence_of<usage_error>([&] { p.layer(0); }), "embed() comes first"));
  CHECK(says(sentence_of<usage_error>([&] { p.head(); }), "embed() comes first"));
  CHECK(says(sentence_of<usage_error>([&] { static_cast<void>(p.scores_sync()); }), "no scores"));
  p.embed();
  CHECK(says(sentence_of<usage_error>([&] { p.embed(); }), "a second time"));
  CHECK(says(sentence_of<usage_error>([&] { p.layer(1); }), "layer 0 is next"));
  CHECK(says(sentence_of<usage_error>([&] { p.front(0); }), "fronts::apart"));
  p.layer(0);
  CHECK(says(sentence_of<usage_error>([&] { p.layer(0); }), "layer 1 is next"));
  CHECK(says(sentence_of<usage_error>([&] { p.head(); }), "layer 1 is next"));
  p.layer(1);
  p.layer(2);
  CHECK(says(sentence_of<usage_error>([&] { p.layer(3); }), "head() is next"));
  pass moved = std::move(p);
  moved.head();
  CHECK(says(sentence_of<usage_error>([&] { moved.head(); }), "finished"));
  CHECK(scores_of(moved) == first);

  pass apart(f.bed.lane, f.first(), f.memory.view(), hstu::fronts::apart);
  CHECK(apart.has_front());
  apart.embed();
  apart.front(0);
  CHECK(says(sentence_of<usage_error>([&] { apart.front(0); }), "a second time"));
  apart.layer(0);
  apart.layer(1);  // without its front having been called for
  apart.front(2);
  apart.layer(2);
  apart.head();
  CHECK(scores_of(apart) == first);
}

TEST_CASE("what the kernels do not take is refused with a sentence", "[hstu]")
{
  machine_type machine;
  const auto stream = machine.machine().device().create_stream("compute");
  const auto refused = [&](auto change) {
    hstu::config c = small_config();
    change(c);
    return sentence_of<kvstrata::config_error>([&] { hstu::gpu::model m(machine.machine(), c, stream); });
  };
  CHECK(says(refused([](hstu::config& c) { c.hidden = 60; }), "hstu.hidden is 60"));
  CHECK(says(refused([](hstu::config& c) { c.hidden = 4104; }), "at most 4096"));
  CHECK(says(refused([](hstu::config& c) { c.head_dim = 48; }), "64, 128 and 256"));
  CHECK(says(refused([](hstu::config& c) { c.heads = 128; }), "hstu.heads * hstu.head_dim is 8192"));
  CHECK(says(refused([](hstu::config& c) { c.layers = 0; }), "hstu.layers"));
  CHECK(machine.machine().device().device_bytes_used() == 0);

  fixture f;
  kvstrata::page_table_view view = f.memory.view();
  view.page_tokens = 24;
  CHECK(says(sentence_of<kvstrata::config_error>([&] { pass(f.bed.lane, f.first(), view); }), "page_tokens is 24"));
  view = f.memory.view();
  view.shape.element = kvstrata::element_type::f32;
  CHECK(says(sentence_of<kvstrata::geometry_error>([&] { pass(f.bed.lane, f.first(), view); }), "f32"));
  user longer = f.one;
  longer.compute = {{0, 41}};
  const std::vector<hstu::request> batch = {longer.request()};
  CHECK(says(sentence_of<kvstrata::history_error>([&] { pass(f.bed.lane, batch, f.memory.view()); }), "[0, 41)"));
  CHECK(f.bed.run(f.first(), f.memory.view()).size() == 3u * small_config().tasks);
}

TEST_CASE("a device that fails says so where scores are waited for, and all can be destroyed", "[hstu]")
{
  fixture f;
  f.bed.device().fail_next_copy(1);  // the scores on their way down
  pass p = f.bed.queue(f.first(), f.memory.view());
  CHECK_THROWS_AS(p.scores_sync(), kvstrata::device_error);
  CHECK_THROWS_AS(f.bed.queue(f.second(), f.more.view()), kvstrata::device_error);
}
