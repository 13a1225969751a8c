// The data path's measuring, on an emulated device in virtual time: what an engine reaches follows from the link's
// figures by arithmetic, and the tables must say just that.
#include "../bench/cuda/data_path.hpp"
#include "../bench/cuda/support/emulated_machine.hpp"
#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

namespace {

using namespace bench;
using namespace kvstrata;

constexpr double speed = 10e9;
constexpr double latency = 5e-6;
constexpr double descriptor = 1e-7;
constexpr double launch = 3e-6;
constexpr double per_sm = 0.5e9;
constexpr geometry shape{.layers = 3, .kv_heads = 1, .head_dim = 32};  // 128 bytes a token and layer
constexpr sampling_plan once{.warm_ups = 0, .rounds = 1, .most = 1, .seconds = 0};

emulated_machine_config costly()
{
  emulated_machine_config c;
  c.device.to_device = {speed, latency, descriptor};
  c.device.from_device = {speed, latency, descriptor};
  c.device.copy_kernels = {launch, per_sm, 0, 1e15};
  return c;
}
emulated_machine_config free_of_calls()
{
  emulated_machine_config c = costly();
  c.device.to_device = {speed, 0, 0};
  c.device.from_device = {speed / 2, 0, 0};  // so that no direction is held against another's ceiling
  c.device.copy_kernels = {};
  return c;
}

report measured(const emulated_machine_config& machine, std::vector<batch_shape> batches)
{
  emulated_machine m(machine);
  report out;
  data_path(m,
            {.shape = shape,
             .pages = {16},
             .pages_together = {16},
             .batches = std::move(batches),
             .ceiling_bytes = 1 << 16,
             .plan = once},
            out);
  return out;
}

template <class T>
T field(const record& r, const std::string& name)
{
  for (const auto& [key, value] : r.fields) {
    if (key == name) return std::get<T>(value);
  }
  throw std::out_of_range(name);
}
std::string words(const record& r, const std::string& name) { return field<std::string>(r, name); }

const record& cell(const report& r, const std::string& travel, const std::string& layout, const std::string& where,
                   const std::string& engine)
{
  for (const record& one : r.records) {
    if (words(one, "kind") == "data path" && words(one, "travel") == travel && words(one, "layout") == layout &&
        words(one, "device_pages") == where && words(one, "engine") == engine) {
      return one;
    }
  }
  throw std::out_of_range(travel + ", " + layout + ", " + engine);
}
double share(const record& r) { return field<spread>(r, "share_of_plain_copy").median; }

/// Every page of one layer of a list, as addresses.
std::vector<copy_piece> pages_of_layer(const copy_list& list, layer_index layer)
{
  std::vector<copy_piece> out;
  each_piece(list, layer, false, [&](const copy_piece& p) { out.push_back(p); });
  return out;
}

}  // namespace

TEST_CASE("marks of an emulated machine are the virtual time between them", "[bench]")
{
  emulated_machine_config c;
  c.product_seconds = 0.25;
  emulated_machine m(c);
  const stream_id s = m.stream("s");
  CHECK(m.stream("s") == s);
  const time_mark a = m.mark(s);
  m.product(s);
  const time_mark b = m.mark(s);
  m.product(s);
  m.product(s);
  const time_mark d = m.mark(s);
  CHECK(m.seconds(b, d) == Approx(0.5));  // out of order, and after later ones have passed
  CHECK(m.seconds(a, b) == Approx(0.25));
  CHECK(m.seconds(a, d) == Approx(0.75));
  m.forget_marks();
  CHECK(seconds_of_work(m, [&](const fence& after) {
          wait_for(m.device(), s, after);
          m.product(s);
          return fence(m.device().record(s));
        }) == Approx(0.25));
}

TEST_CASE("ceilings are what the links give", "[bench]")
{
  emulated_machine_config config = costly();
  config.device.copy_kernels.device_bytes_per_second = 40e9;
  emulated_machine m(config);
  constexpr std::size_t bytes = 1 << 20;
  const ceilings c = measure_ceilings(m, once, bytes);
  CHECK(c.up.median == Approx(bytes / (latency + bytes / speed)));
  CHECK(c.down.median == Approx(bytes / (latency + bytes / speed)));
  CHECK(c.both.median == Approx(2 * bytes / (latency + bytes / speed)));
  CHECK(c.device.median == Approx(bytes / (launch + bytes / 40e9)));
  CHECK(c.product.median == Approx(1e14));
}

TEST_CASE("a batch is laid out as asked", "[bench]")
{
  emulated_device d({.time = time_mode::virtual_time});
  workplace<emulated_device> place(d, shape, 3, 3 * 200, 16);
  const batch_shape batch{3, 200};  // 13 pages each
  for (const device_pages where : {device_pages::scattered, device_pages::together}) {
    for (const named_layout& layout : all_layouts(place, batch, 16, where)) {
      INFO(layout.name);
      const std::size_t page = 16 * shape.token_layer_bytes();
      CHECK(layout.at.bytes() == 39 * page * shape.layers);
      CHECK(layout.at.down.bytes() == layout.at.bytes());
      CHECK(layout.at.relocate.bytes() == layout.at.bytes());
      std::set<const std::byte*> above, below;  // no page twice, in any layer or list
      std::size_t neighbours = 0;
      for (layer_index l = 0; l < shape.layers; ++l) {
        for (const copy_list* list : {&layout.at.up, &layout.at.down}) {
          const auto pages = pages_of_layer(*list, l);
          REQUIRE(pages.size() == 39);
          const auto in_slab = [&](const copy_piece& p) { return list == &layout.at.up ? p.dst : p.src; };
          const auto in_arena = [&](const copy_piece& p) { return list == &layout.at.up ? p.src : p.dst; };
          for (std::size_t i = 0; i < pages.size(); ++i) {
            above.insert(in_slab(pages[i]));
            below.insert(in_arena(pages[i]));
            CHECK(pages[i].bytes == page);
            neighbours += i != 0 && in_slab(pages[i]) == in_slab(pages[i - 1]) + page ? 1U : 0U;
          }
        }
        const auto up = pages_of_layer(layout.at.up, l);
        const auto back = pages_of_layer(layout.at.back, l);
        const auto window = pages_of_layer(layout.at.window, l);
        const auto relocate = pages_of_layer(layout.at.relocate, l);
        for (std::size_t i = 0; i < up.size(); ++i) {
          CHECK(back[i].src == up[i].dst);          // the pages of up ...
          CHECK(back[i].dst != up[i].src);          // ... and other extents
          CHECK(window[i].src == up[i].src);        // the extents of up ...
          CHECK(above.count(window[i].dst) == 0);   // ... and other pages
          CHECK(relocate[i].src == window[i].dst);  // from these ...
          CHECK(relocate[i].dst == up[i].dst);      // ... to where `up` goes at once
        }
      }
      CHECK(above.size() == 2 * 39 * shape.layers);
      CHECK(below.size() == 2 * 39 * shape.layers);
      const bool ranges = layout.name == "contiguous";
      if (where == device_pages::scattered && !ranges) CHECK(neighbours == 0);
      else CHECK(neighbours >= 2 * 3 * 12 * shape.layers);
    }
  }
  CHECK_THROWS_AS(place.lay_out(paged_layout{.page_tokens = 16}, {1, 5000}, device_pages::together),
                  std::invalid_argument);
}

TEST_CASE("shares of the plain copy follow from the cost of calls", "[bench]")
{
  const report r = measured(costly(), {{1, 1000}});  // 63 pages of 2,048 bytes a layer
  const double layers = shape.layers;
  const double pages = 63, piece = 2048;
  const double bytes = layers * pages * piece;
  const double plain = latency + bytes / speed;
  const double each_page = layers * pages * (latency + piece / speed);
  const double each_layer = layers * latency + bytes / speed;
  const double batches = layers * (latency + pages * descriptor) + bytes / speed;
  const auto kernels = [&](double sms) { return layers * launch + bytes / (std::min)(sms * per_sm, speed); };
  const struct
  {
    const char *layout, *where, *engine;
    double seconds;
  } cases[] = {{"paged, page first", "scattered", "per_page", each_page},
               {"paged, page first", "scattered", "coalesced", each_page},
               {"paged, page first", "scattered", "batched", batches},
               {"paged, page first", "scattered", "kernel, 8", kernels(8)},
               {"paged, page first", "scattered", "kernel, 16", kernels(16)},
               {"paged, page first", "scattered", "kernel, all", layers * launch + bytes / speed},
               {"contiguous", "scattered", "coalesced", each_layer},
               {"contiguous", "scattered", "per_page", each_page},
               {"paged, layer first", "together", "coalesced", each_layer},
               {"hybrid, layer first", "together", "per_page", each_page}};
  for (const auto& c : cases) {
    for (const char* travel : {"onload", "offload", "onload and offload at once"}) {
      INFO(travel << ", " << c.layout << ", " << c.where << ", " << c.engine);
      const record& one = cell(r, travel, c.layout, c.where, c.engine);
      const bool both = std::string(travel) == "onload and offload at once";
      CHECK(share(one) == Approx(plain / c.seconds));
      CHECK(field<double>(one, "bytes") == (both ? 2 * bytes : bytes));
      CHECK(field<spread>(one, "gb_per_second").median == Approx(field<double>(one, "bytes") / c.seconds / 1e9));
      CHECK(field<spread>(one, "plain_gb_per_second").median == Approx(field<double>(one, "bytes") / plain / 1e9));
      CHECK(field<bool>(one, "target_met") == (plain / c.seconds >= 0.95));
    }
  }
  CHECK(field<double>(cell(r, "onload", "paged, page first", "scattered", "per_page"), "calls") == layers * pages);
  CHECK(field<double>(cell(r, "onload", "paged, page first", "scattered", "batched"), "calls") == layers);
  CHECK(field<double>(cell(r, "onload", "paged, page first", "scattered", "batched"), "pieces") == layers * pages);
  // A window takes dense runs, as far as the extents are dense; bringing them to their pages takes a kernel a layer more.
  CHECK(share(cell(r, "onload", "paged, layer first", "scattered", "window")) == Approx(plain / each_layer));
  CHECK(share(cell(r, "onload", "paged, layer first", "scattered", "window, relocated")) ==
        Approx(plain / (each_layer + launch)));
}

TEST_CASE("an engine that costs no calls meets the target, and the table says so", "[bench]")
{
  const report r = measured(free_of_calls(), {{1, 500}, {2, 100}});
  REQUIRE(r.tables.size() == 1 + 2 * 3);
  std::size_t cells = 0;
  for (const record& one : r.records) {
    if (words(one, "kind") != "data path") continue;
    ++cells;
    INFO(words(one, "travel") << ", " << words(one, "layout") << ", " << words(one, "engine"));
    if (words(one, "engine") != "staged") CHECK(share(one) == Approx(1.0));
    CHECK(field<spread>(one, "plain_gb_per_second").median == Approx(words(one, "travel") == "offload" ? 5 : 10));
  }
  CHECK(cells == 2 * 2 * 5 * (9 + 8 + 8));
  const table& up = r.tables[1];
  CHECK(up.title == "1 user of 500 tokens: onload");
  CHECK(r.tables[6].title == "2 users of 100 tokens: onload and offload at once");
  CHECK(up.columns.size() == 3 + 9);
  CHECK(r.tables[2].columns.size() == 3 + 8);
  for (const auto& row : up.rows) {
    REQUIRE(row.size() == up.columns.size());
    CHECK(row[3] == "10.0  100 % +");
  }
  CHECK(up.foot.find("+ meets the target of 95 %") != std::string::npos);
}

TEST_CASE("an engine that moves bytes wrong is found out", "[bench]")
{
  emulated_machine m;
  workplace<emulated_device> place(m.device(), shape, 2, 400, 16);
  const laid_out at = place.lay_out(hybrid_layout{.page_tokens = 16, .chunk = 64}, {2, 200}, device_pages::scattered);
  for (const engine_in_use& engine : all_engines(m.device())) {
    INFO(engine.name);
    CHECK(moves_bytes_right(m, engine, at));
  }
  const engine_in_use right = use<coalesced_copy>(m.device(), "right");
  const auto without_last = [](copy_list list) {
    --list.runs.back().pages;
    if (list.runs.back().pages == 0) list.runs.pop_back();
    return list;
  };
  engine_in_use forgets = right;
  forgets.down = [&](const copy_list& list, const fence& after) { return right.down(without_last(list), after); };
  CHECK_FALSE(moves_bytes_right(m, forgets, at));
  engine_in_use forgets_up = right;
  forgets_up.up_to_pages = [&](const laid_out& lists, const fence& after) {
    laid_out fewer = lists;
    fewer.up = without_last(fewer.up);
    return right.up_to_pages(fewer, after);
  };
  CHECK_FALSE(moves_bytes_right(m, forgets_up, at));
  engine_in_use swaps = right;
  swaps.down = [&](copy_list list, const fence& after) {
    std::swap(list.runs.front().to, list.runs.back().to);
    return right.down(list, after);
  };
  REQUIRE(at.back.runs.size() > 1);
  CHECK_FALSE(moves_bytes_right(m, swaps, at));
  engine_in_use nothing = right;
  nothing.down = [](const copy_list&, const fence&) { return ticket{}; };
  CHECK_FALSE(moves_bytes_right(m, nothing, at));
}

TEST_CASE("a quick run keeps the pages that caches have unless told otherwise, in every layout", "[bench]")
{
  data_path_config c;
  const std::size_t all = c.pages.size() + c.pages_together.size();
  c.only_main_rows();
  CHECK(all == 5);
  CHECK(c.pages == std::vector<unsigned>{32});
  CHECK(c.pages_together.empty());
  CHECK(c.batches.size() == 2);
}

TEST_CASE("pages of which only some lie together have room as large ones have", "[bench]")
{
  emulated_machine m(free_of_calls());
  report out;
  data_path(m,
            {.shape = shape,
             .pages = {4},
             .pages_together = {64},
             .batches = {{3, 65}},
             .ceiling_bytes = 1 << 16,
             .plan = once},
            out);
  CHECK(out.tables.at(1).rows.size() == 2 * 5);
}
