// Layouts and views: where a token lies, what a kernel sees, and what must be copied.
//
// A layout is arithmetic. In the slab: [layer][page][K then V][token][head][dim]. Below it, each layout has an order
// of its own. The page table that a lease gives to the model's kernels follows FlashInfer's convention: page_ids,
// indptr, last_page_len.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/layout/contiguous_layout.hpp>

#include <cstdio>
#include <string>
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
      device, {.shape = kv_shape, .tiers = {{.bytes = 16 * page_bytes(kv_shape, 4)}}, .layout = {.page_tokens = 4}});

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

// --- where a history lies below, and what a layer of it costs to move -----------------------------------------------------
// A user's 6 pages, in an arena of 12 frames. In the slab they are two runs of 3, unless the layout reserves a range.
template <layout_policy Layout>
page_count draw(const char* name, const Layout& layout)
{
  constexpr page_count history = 6;
  constexpr page_count tier_pages = 12;
  const std::size_t piece = page_layer_bytes(kv_shape, layout.page_tokens);

  // In the slab a frame is a page.
  std::vector<placed_extent> above{{.first_page = 0, .pages = history, .frame = 10}};
  if (layout.granule_pages() == 1) above = {{0, 3, 10}, {3, 3, 33}};

  // Extents as the layout likes them. Each slot of the picture is a page in one layer: a for layer 0, b for layer 1.
  std::vector<placed_extent> below;
  std::string picture(std::size_t{3} * tier_pages * kv_shape.layers, ' ');
  for (page_count first = 0, frame = 2; first < history;) {
    const page_count pages = layout.extent_pages(first, history - first);
    const extent_place place = layout.lower_place(kv_shape, frame, pages, tier_pages);
    for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
      for (page_count page = 0; page < pages; ++page) {
        const std::size_t slot = 3 * (place.offset + place.where.offset(layer, page)) / piece;
        const bool used = first + page < history;
        picture[slot] = used ? static_cast<char>('a' + layer) : '_';  // _: reserved for what may come
        picture[slot + 1] = used ? static_cast<char>('0' + first + page) : '_';
      }
    }
    below.push_back({.first_page = first, .pages = pages, .frame = frame});
    first += pages;
    frame += pages;
  }

  // What must be copied to bring them up, once for all layers. A run that is dense on both sides is one copy; else each
  // page is.
  constexpr page_count slab_pages = 100;
  std::vector<std::byte> slab(slab_pages * piece * kv_shape.layers);
  std::vector<std::byte> arena(tier_pages * piece * kv_shape.layers);
  const auto in_arena = [&](const placed_extent& x) {
    const extent_place place = layout.lower_place(kv_shape, x.frame, x.pages, tier_pages);
    return copy_end{arena.data() + place.offset, place.where};
  };
  const auto in_slab = [&](const placed_extent& x) {
    const placement where = layout.device_place(kv_shape, slab_pages);
    return copy_end{slab.data() + where.offset(0, x.frame), where};
  };
  std::vector<copy_run> runs;
  append_copy_runs(runs, below, in_arena, above, in_slab, {0, history});
  page_count copies = 0;
  for (const copy_run& run : runs) {
    const bool dense = run.from.where.page_stride == piece && run.to.where.page_stride == piece;
    copies += dense ? 1 : run.pages;
  }
  std::printf("  %-19s %u copies a layer |%s|\n", name, copies, picture.c_str());
  return copies;
}

int main()
{
  bool right = show_view();

  std::puts("a history of 6 pages in an arena of 12 frames:");
  constexpr page_order layers = page_order::layer_first;
  constexpr page_order pages = page_order::page_first;
  right = draw("paged, page_first", paged_layout{.page_tokens = 4, .host_order = pages}) == 6 && right;
  right = draw("paged, layer_first", paged_layout{.page_tokens = 4, .host_order = layers}) == 2 && right;
  right = draw("hybrid, page_first", hybrid_layout{.page_tokens = 4, .chunk = 16, .host_order = pages}) == 6 && right;
  right = draw("hybrid, layer_first", hybrid_layout{.page_tokens = 4, .chunk = 16, .host_order = layers}) == 3 && right;
  right = draw("contiguous", contiguous_layout{.page_tokens = 4, .longest = 32}) == 1 && right;

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
