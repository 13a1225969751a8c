// Draw: what page, slab, lease and onload are, in one picture of three moments, for requests of your own.
//
//   24_draw [USER:TOKENS ...] [--svg FILE]     24_draw A:1024 B:1280 A:1152
//
// A user is a letter, TOKENS the length of their history at that request. The requests are served one after the other, and the
// last one is drawn: as it is planned, while its layers arrive, and when it is over. The device keeps virtual time, so the
// picture is the same on every machine.
#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

using namespace kvstrata;

constexpr geometry kv_shape{.layers = 4, .kv_heads = 4, .head_dim = 128, .element = element_type::bf16};
constexpr token_count page_tokens = 64;
constexpr page_count slab_pages = 32, arena_frames = 96;
using cache_type =
    cache<tier_stack<device_slab<emulated_device>, pinned_arena<>>, paged_layout, layerwise_transfer<>, lru>;

struct visit
{
  char user = 'A';
  token_count tokens = 0;
};

// What one page of the slab holds in one layer.
struct cell
{
  char user = '.';  // nobody
  enum class state { there, on_its_way, to_compute } is = state::there;
};
struct moment
{
  std::string says;
  std::vector<std::vector<cell>> layers;  // [layer][page of the slab]
  std::uint64_t arena_tokens = 0;         // that the arena has, of all users
};

// The text: a capital is there, a small letter on its way, a plus is left to the model.
char letter_of(const cell& c)
{
  if (c.user == '.') return '.';
  if (c.is == cell::state::to_compute) return '+';
  return c.is == cell::state::there ? c.user : static_cast<char>(std::tolower(c.user));
}

void print(const moment& m)
{
  std::printf("%s\n", m.says.c_str());
  for (std::size_t layer = 0; layer < m.layers.size(); ++layer) {
    std::string row;
    for (const cell& c : m.layers[layer]) row += letter_of(c);
    std::printf("  slab, layer %zu |%s|\n", layer, row.c_str());
  }
  std::printf("  arena: %llu tokens\n\n", static_cast<unsigned long long>(m.arena_tokens));
}

std::string svg_of(const std::vector<moment>& moments)
{
  constexpr int side = 18, left = 70, top = 34, gap = 46;
  const int height = top + static_cast<int>(kv_shape.layers) * side;
  std::string out = "<svg xmlns=\"http://www.w3.org/2000/svg\" font-family=\"sans-serif\" font-size=\"12\" width=\"" +
                    std::to_string(left + static_cast<int>(slab_pages) * side + 20) + "\" height=\"" +
                    std::to_string(static_cast<int>(moments.size()) * (height + gap) + 30) + "\">\n" +
                    "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
  const auto text = [&out](int x, int y, const std::string& what, const char* more = "") {
    out += "<text x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(y) + "\" " + more + ">" + what + "</text>\n";
  };
  const char* const colours[] = {"#4477aa", "#ee8866", "#228833", "#aa3377", "#bbaa33", "#66ccee"};
  int y = 10;
  for (const moment& m : moments) {
    text(10, y + 14, m.says, "font-weight=\"bold\"");
    for (std::size_t layer = 0; layer < m.layers.size(); ++layer) {
      const int row = y + top + static_cast<int>(layer) * side;
      text(10, row + 13, "layer " + std::to_string(layer));
      for (std::size_t page = 0; page < m.layers[layer].size(); ++page) {
        const cell& c = m.layers[layer][page];
        const std::string colour = c.user == '.' ? "#f4f4f4" : colours[static_cast<std::size_t>(c.user - 'A') % 6];
        const bool there = c.is == cell::state::there;
        const int x = left + static_cast<int>(page) * side;
        out += "<rect x=\"" + std::to_string(x) + "\" y=\"" + std::to_string(row) + "\" width=\"" +
               std::to_string(side - 2) + "\" height=\"" + std::to_string(side - 2) + "\" fill=\"" +
               (there ? colour : "white") + "\" stroke=\"" + colour + "\"" +
               (c.is == cell::state::on_its_way ? " stroke-dasharray=\"3 2\"" : "") + "/>\n";
        if (c.user != '.') {
          const std::string shown(1, c.is == cell::state::to_compute ? '+' : c.user);
          text(x + 4, row + 13, shown, there ? "fill=\"white\"" : "fill=\"#333\"");
        }
      }
    }
    text(left, y + height + 14, "arena: " + std::to_string(m.arena_tokens) + " tokens", "fill=\"#555\"");
    y += height + gap;
  }
  text(10, y + 8, "Filled: there. Dashed: on its way from the arena. +: the model computes it.", "fill=\"#555\"");
  return out + "</svg>\n";
}

class drawing
{
 public:
  drawing()
      : device_({.time = time_mode::virtual_time,
                 .to_device = {5e9, 10e-6},
                 .from_device = {5e9, 10e-6},
                 .data = false,
                 .trace = true}),
        compute_(device_.create_stream("compute")),
        cache_(device_, {.shape = kv_shape,
                         .tiers = {{.bytes = slab_pages * page_bytes(kv_shape, page_tokens)},
                                   {.bytes = arena_frames * page_bytes(kv_shape, page_tokens)}},
                         .layout = {.page_tokens = page_tokens}})
  {
  }

  // Serves a request; the moments are of it.
  std::vector<moment> serve(const visit& v)
  {
    const request batch[] = {{.user = id_of(v.user), .history_tokens = v.tokens}};
    const batch_plan plan = cache_.plan(batch).value();
    device_.clear_trace();
    auto lease = cache_.prepare(batch, compute_).value();
    const auto pages = lease.view().page_ids;
    for (const victim_plan& victim : plan.victims) {  // who makes room in the slab, from the front
      if (victim.level == 0) holdings_[static_cast<char>('A' + to_number(victim.user) - 1)].gone += victim.pages;
    }
    holdings_[v.user] = {.pages = std::vector<page_id>(pages.begin(), pages.end())};
    const std::vector<page_id>& mine = holdings_[v.user].pages;
    const std::vector<cell> others = slab_of_all_but(v.user);
    const std::uint64_t before = arena();
    for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
      lease.wait(layer);
      device_.launch(compute_, {.label = "layer", .seconds = 100e-6}, [] {});
      lease.layer_done(layer);
    }
    lease.commit();
    cache_.drain_sync();

    // When each layer had arrived, and when it was computed.
    const std::vector<double> arrived = ends_of("onload"), computed = ends_of("compute");
    const double middle = computed[kv_shape.layers / 2 - 1];
    const auto at = [&](double time, std::string says, std::uint64_t arena_tokens) {
      moment m{.says = std::move(says), .layers = {}, .arena_tokens = arena_tokens};
      for (layer_index layer = 0; layer < kv_shape.layers; ++layer) {
        std::vector<cell> row = others;
        for (const piece& p : plan.pieces_of(0)) {
          for (token_count token = p.tokens.begin; token < p.tokens.end; ++token) {
            cell& c = row[to_number(mine[token / page_tokens])];
            const auto is = p.is_computed() && computed[layer] > time ? cell::state::to_compute
                            : p.is_fetched() && arrived[layer] > time ? cell::state::on_its_way
                                                                      : cell::state::there;
            c = {v.user, std::max(c.user == v.user ? c.is : cell::state::there, is)};
          }
        }
        m.layers.push_back(std::move(row));
      }
      return m;
    };
    const request_plan& r = plan.requests[0];
    const std::string who(1, v.user);
    return {
        at(-1,
           "1. " + who + "'s lease: " + std::to_string(v.tokens) + " tokens, " + std::to_string(r.in_slab.size()) +
               " in the slab, " + std::to_string(r.fetched) + " on their way, " + std::to_string(r.computed()) +
               " to compute",
           before),
        at(middle, "2. layer " + std::to_string(kv_shape.layers / 2 - 1) + " is computed, later ones arrive", before),
        at(1e9, "3. committed: all is there, and written down to the arena", arena())};
  }

 private:
  static user_id id_of(char user) { return user_id{static_cast<std::uint64_t>(user - 'A' + 1)}; }

  std::vector<cell> slab_of_all_but(char one)
  {
    std::vector<cell> slab(slab_pages);
    for (const auto& [user, has] : holdings_) {
      if (user == one) continue;
      for (std::size_t i = has.gone; i < has.pages.size(); ++i) slab[to_number(has.pages[i])].user = user;
    }
    return slab;
  }
  std::uint64_t arena() { return cache_.stats().levels[1].resident_tokens; }
  std::vector<double> ends_of(const char* stream)
  {
    std::vector<double> ends;
    for (const op_span& s : device_.trace()) {
      if (s.stream_name == stream && s.kind != operation_kind::wait) ends.push_back(s.end);
    }
    std::vector<double> of_layers(kv_shape.layers, 0);
    for (std::size_t i = 0; i < ends.size(); ++i) of_layers[i * kv_shape.layers / ends.size()] = ends[i];
    return of_layers;
  }

  emulated_device device_;
  stream_id compute_;
  cache_type cache_;
  struct holding
  {
    std::vector<page_id> pages;  // of the whole history, ...
    page_count gone = 0;         // ... of which so many, from the front, have made room
  };
  std::map<char, holding> holdings_;
};

// A:1024, or a sentence.
visit parse(const std::string& word)
{
  const std::string limits = " is no request: a letter from A to Z, a colon, and 1 to " +
                             std::to_string(slab_pages * page_tokens) + " tokens, such as A:1024";
  std::size_t used = 0;
  unsigned long tokens = 0;
  try {
    if (word.size() > 2) tokens = std::stoul(word.substr(2), &used);
  } catch (const std::exception&) {
    used = 0;
  }
  if (word.size() < 3 || word[0] < 'A' || word[0] > 'Z' || word[1] != ':' || used != word.size() - 2 ||
      !std::isdigit(static_cast<unsigned char>(word[2])) || tokens < 1 || tokens > slab_pages * page_tokens) {
    throw std::invalid_argument("'" + word + "'" + limits);
  }
  return {word[0], static_cast<token_count>(tokens)};
}

int main(int argc, char** argv)
{
  try {
    std::vector<visit> visits;
    std::string svg;
    for (int i = 1; i < argc; ++i) {
      const std::string word = argv[i];
      if (word == "--svg" && i + 1 == argc) throw std::invalid_argument("--svg wants a file");
      if (word == "--svg") svg = argv[++i];
      else visits.push_back(parse(word));
    }
    const bool own = !visits.empty();
    if (!own) visits = {{'A', 1024}, {'B', 1280}, {'A', 1152}};  // B takes pages of A's front, A comes back for more

    drawing d;
    std::vector<moment> moments;
    for (const visit& v : visits) moments = d.serve(v);
    for (const moment& m : moments) print(m);
    std::puts("A letter: a page of that user. Small: on its way from the arena. +: left to the model. A dot: free.");
    if (!svg.empty()) {
      std::ofstream file(svg);
      file << svg_of(moments);
      file.close();
      if (!file) throw std::runtime_error("the picture could not be written to " + svg);
    }
    if (own) return 0;

    // Of A's 18 pages 12 were still there, 4 came up, and 2 are new.
    const auto count = [&](std::size_t moment, char letter) {
      const auto& row = moments[moment].layers[3];
      return std::count_if(row.begin(), row.end(), [&](const cell& c) { return letter_of(c) == letter; });
    };
    const bool right = count(0, 'A') == 12 && count(0, 'a') == 4 && count(0, '+') == 2 && count(2, 'A') == 18;
    std::puts(right ? "Three moments of one lease." : "FAILED: the picture is not as it should be");
    return right ? 0 : 1;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "24_draw: %s\n", e.what());
    return 2;
  }
}
