// Layouts and views: where a token lies, what a kernel sees, and what must be copied.
//
// A layout is arithmetic. On the device: [layer][page][K then V][token][head][dim]. The page table that a lease gives to
// the model's kernels follows FlashInfer's convention: page_ids, indptr, last_page_len.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <cstdio>
#include <vector>

using namespace kvstrata;

constexpr geometry kv_shape{.layers = 2, .kv_heads = 2, .head_dim = 8, .element = element_type::f32};

template <class Number>
void print(const char* name, std::span<const Number> values)
{
  std::printf("  %-14s", name);
  for (const Number value : values) std::printf(" %d", static_cast<int>(value));
  std::puts("");
}

// --- a page table --------------------------------------------------------------------------------------------------------
bool show_view()
{
  emulated_device device;
  const stream_id compute = device.create_stream("compute");
  device_only_cache<emulated_device> cache(
      device, {.shape = kv_shape, .device = {.bytes = 16 * page_bytes(kv_shape, 4)}, .layout = {.page_tokens = 4}});

  const request batch[] = {{.user = user_id{7}, .history_tokens = 10},  // 3 pages, 2 tokens in the last
                           {.user = user_id{8}, .history_tokens = 0},   // nothing yet
                           {.user = user_id{9}, .history_tokens = 8}};  // 2 pages, both full
  const auto lease = cache.prepare(batch, compute).value();
  const page_table_view view = lease.view();
  std::puts("three requests of 10, 0 and 8 tokens, in pages of 4:");
  print("page_ids", view.page_ids);  // of all requests, one after the other
  print("indptr", view.indptr);      // request r has page_ids[indptr[r] .. indptr[r + 1])
  print("last_page_len", view.last_page_len);

  // A kernel finds the K row of (layer 1, request 2, token 5) like this; view.key() does the same.
  const page_id page = view.page_ids[static_cast<std::size_t>(view.indptr[2]) + 5 / 4];
  const std::byte* const by_hand = view.base + view.where.layer_stride * 1 + view.where.page_stride * to_number(page) +
                                   (5 % 4) * kv_shape.key_bytes();
  return view.indptr[3] == 5 && view.last_page_len[0] == 2 && view.tokens(1) == 0 && view.tokens(2) == 8 &&
         by_hand == view.key(1, 2, 5);
}

// --- what one user's layer costs to move ----------------------------------------------------------------------------------
// A history of 40 pages, whose device pages are two runs, stored below as the layout likes it.
template <layout_policy Layout>
std::size_t runs_of(const char* name, const Layout& layout)
{
  std::vector<page_id> pages;
  for (std::uint32_t id = 100; id < 120; ++id) pages.push_back(to_page(id));
  for (std::uint32_t id = 300; id < 320; ++id) pages.push_back(to_page(id));

  std::vector<placed_extent> extents;
  page_count frame = 0;
  for (page_count from = 0; from < 40;) {
    const page_count room = layout.extent_pages(from, 40 - from);
    extents.push_back({.first_page = from, .pages = room, .frame = frame});
    from += room;
    frame += room;
  }

  std::vector<copy_run> runs;  // a run is dense on both sides: one copy a layer
  append_copy_runs(runs, layout, kv_shape, layout.device_place(kv_shape, 1000), std::span<const page_id>(pages), 0,
                   std::span<const placed_extent>(extents), {0, 40});
  std::printf("  %-14s %2zu extents, %2zu copies a layer:", name, extents.size(), runs.size());
  for (std::size_t r = 0; r < runs.size() && r < 4; ++r) std::printf(" %u pages", runs[r].pages);
  std::puts(runs.size() > 4 ? " ..." : "");
  return runs.size();
}

int main()
{
  bool right = show_view();

  std::puts("a history of 40 pages, on the device in two runs of 20:");
  const std::size_t paged = runs_of("paged_layout", paged_layout{});
  const std::size_t hybrid = runs_of("hybrid_layout", hybrid_layout{});  // chunks of 1,024 tokens: 32 pages
  right = right && paged == 40 && hybrid == 3;                           // 20, then 12 and 8 around the chunk's end

  // Sizes that contradict each other are refused with the field, the value and the limit.
  try {
    check(hybrid_layout{.page_tokens = 32, .chunk = 100});
    right = false;
  } catch (const config_error& e) {
    std::printf("%s\n", e.what());
  }
  std::puts(right ? "Arithmetic agrees." : "FAILED: the arithmetic does not agree");
  return right ? 0 : 1;
}
