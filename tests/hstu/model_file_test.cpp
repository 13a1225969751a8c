// Models in files: what is written is read again, bit by bit; a file that does not hold what it should is refused whole,
// with the tensor; and a constructor refuses weights of another size.
#include "hstu/model_file.hpp"
#include "hstu/trained.hpp"
#include "hstu/weight_file.hpp"

#include "hstu/model_tensors.hpp"
#include "support/catch.hpp"
#include "support/sentence_of.hpp"

#include <kvstrata/core/error.hpp>

#include <functional>
#include <string>
#include <utility>

namespace {

using namespace hstu_test;

hstu::config small_config()
{
  hstu::config c;
  c.layers = 2;
  c.hidden = 6;
  c.heads = 2;
  c.head_dim = 3;
  c.items = 9;
  c.actions = 4;
  c.tasks = 3;
  c.max_tokens = 20;
  c.position_buckets = 5;
  c.time_buckets = 4;
  return c;
}

std::string bytes_of(const hstu::config& c, const hstu::weights& w)
{
  const temporary_file file;
  hstu::write_model(file.path(), c, w);
  return file.read();
}

std::string refusal(const std::string& bytes)
{
  const temporary_file file(bytes);
  try {
    static_cast<void>(hstu::read_model(file.path()));
  } catch (const kvstrata::data_error& e) {
    const std::string text = e.what();
    CHECK(text.rfind(file.path().string() + ": ", 0) == 0);
    return text;
  }
  return "it was read";
}

bool same(const hstu::config& c, const hstu::weights& a, const hstu::weights& b)
{
  bool equal = a.layers.size() == b.layers.size() && a.head.size() == b.head.size();
  std::vector<const std::vector<float>*> of_a, of_b;
  const auto keep = [](auto& to) {
    return [&to](const std::string&, const auto&, const std::vector<float>& values, bool) { to.push_back(&values); };
  };
  hstu::visit_tensors(c, a, keep(of_a));
  hstu::visit_tensors(c, b, keep(of_b));
  equal = equal && of_a.size() == of_b.size();
  for (std::size_t i = 0; equal && i < of_a.size(); ++i) equal = *of_a[i] == *of_b[i];
  for (std::size_t i = 0; equal && i < a.head.size(); ++i) {
    equal = a.head[i].norm == b.head[i].norm && a.head[i].after == b.head[i].after;
  }
  return equal;
}

}  // namespace

TEST_CASE("a model that was written is read again, bit by bit", "[hstu]")
{
  generator random(201);
  for (int round = 0; round < 20; ++round) {
    hstu::config c = small_config();
    draw_options(random, c);
    c.position_buckets = below(random, 2) * 5;
    c.time_buckets = below(random, 2) * 4;
    c.projection = static_cast<hstu::projection_order>(below(random, 3));
    c.ids = static_cast<hstu::item_ids>(below(random, 2));
    c.normaliser = below(random, 3) * 77;
    if (below(random, 3) == 0) {
      c.inputs = hstu::token_inputs::by_caller;
      c.event_tokens = 1;
    }
    hstu::weights w = trained_weights(random, c, 2);
    if (below(random, 2) == 0) {
      w.head_in.clear();
      w.head_out.clear();
      w.head = random_head(random, c);
    } else if (below(random, 3) == 0) {
      c.tasks = 0;
      w.head_in.clear();
      w.head_out.clear();
    }
    const temporary_file file;
    hstu::write_model(file.path(), c, w);
    const hstu::trained_model found = hstu::read_model(file.path());
    CHECK(same(c, found.parameters, w));
    std::vector<std::string> fields[2];
    const auto keep = [](std::vector<std::string>& to) {
      return [&to](const char* key, const auto& value) {
        if constexpr (std::is_enum_v<std::decay_t<decltype(value)>>)
          to.push_back(key + std::to_string(static_cast<int>(value)));
        else to.push_back(key + std::to_string(value));
      };
    };
    hstu::visit_fields(c, keep(fields[0]));
    hstu::visit_fields(found.options, keep(fields[1]));
    CHECK(fields[0] == fields[1]);
    CHECK_NOTHROW(hstu::model(found.options, found.parameters, 1));
  }
}

TEST_CASE("without metadata a config follows from shapes, and ids are rows", "[hstu]")
{
  const hstu::config c = small_config();
  const std::string with = bytes_of(c, hstu::random_weights(c));
  const std::size_t begin = with.find("\"__metadata__\"");
  const std::size_t end = with.find("},", begin) + 2;
  const std::uint64_t header = with.find("]}}") + 3 - 8 - (end - begin);
  std::string bytes = little_endian(header, 8) + with.substr(8, begin - 8) + with.substr(end);
  const std::size_t data =
      with.size() - (static_cast<unsigned char>(with[0]) + 256u * static_cast<unsigned char>(with[1])) - 8;
  bytes = bytes.substr(0, 8 + header) + with.substr(with.size() - data);
  const temporary_file file(bytes);
  const hstu::trained_model found = hstu::read_model(file.path());
  CHECK(found.options.layers == 2);
  CHECK(found.options.heads == 2);
  CHECK(found.options.head_dim == 3);
  CHECK(found.options.max_tokens == 20);
  CHECK(found.options.tasks == 3);
  CHECK(found.options.ids == hstu::item_ids::rows);
}

TEST_CASE("a file that does not hold its model is refused whole, with the tensor", "[hstu]")
{
  generator random(202);
  const hstu::config c = small_config();
  const hstu::weights w = trained_weights(random, c);
  const std::string good = bytes_of(c, w);
  CHECK(refusal(good) == "it was read");
  const auto with = [&good](const std::string& what, const std::string& by) {
    REQUIRE(what.size() == by.size());
    REQUIRE(good.find(what) != std::string::npos);
    return refusal(replaced(good, what, by));
  };
  CHECK(says(with("layers.1.output\"", "layers.1.outpux\""), "lacks the tensor 'layers.1.output', [6][6]"));
  CHECK(says(with("layers.0.output_bias", "layers.0.output_bios"),
             "tensor 'layers.0.output_bios' is none that the model knows"));
  CHECK(says(with("layers.0.output_bias", "layers.7.output_bias"), "tensor 'layers.7.output_bias'"));
  CHECK(says(with("\"shape\":[9,6]", "\"shape\":[6,9]"), "tensor 'items' is [6][9], but the model's is [9][6]"));
  CHECK(says(with("\"hidden\":\"6\"", "\"hidden\":\"7\""), "tensor 'items' is [9][6], but the model's is [9][7]"));
  CHECK(says(with("\"hidden\":\"6\"", "\"hidden\":\"x\""), "hidden = 'x', but it must be a whole number"));
  CHECK(says(with("\"layers\":\"2\"", "\"layers\":\"9\""), "lacks the tensor 'layers.2.project'"));
  CHECK(says(with("\"heads\":\"2\"", "\"heads\":\"0\""), "it is no model's: hstu.heads is 0"));
  CHECK(says(with("\"silu\":\"all\"", "\"silu\":\"non\""), "silu = 'non', but it must be one of all, gates_only"));
  CHECK(says(with("\"alpha\":\"1\"", "\"alpha\":\"-\""), "alpha = '-', but it must be a number"));
  // Any prefix of the file is none.
  for (const std::size_t length : {std::size_t{0}, std::size_t{5}, std::size_t{8}, good.size() / 2, good.size() - 1}) {
    CHECK(refusal(good.substr(0, length)) != "it was read");
  }
  hstu::weights nan = w;
  nan.layers[1].output[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK(says(refusal(bytes_of(c, nan)), "tensor 'layers.1.output' is no finite number at element 7"));
}

TEST_CASE("a model is made of weights of its config's sizes only, and the wrong tensor is named", "[hstu]")
{
  generator random(203);
  const hstu::config c = small_config();
  hstu::weights good = trained_weights(random, c);
  CHECK_NOTHROW(hstu::model(c, good, 1));
  std::vector<std::string> names;
  hstu::visit_tensors(c, good, [&](const std::string& name, const auto&, std::vector<float>& values, bool optional) {
    for (const int change : {-1, 1}) {
      const std::vector<float> kept = values;
      values.resize(change < 0 ? values.size() - 1 : values.size() + 1);
      CHECK(says(kvstrata_test::sentence_of<kvstrata::error>([&] { hstu::model(c, good, 1); }),
                 "the tensor " + name + " is"));
      values = kept;
    }
    const std::vector<float> kept = std::exchange(values, {});
    if (optional) CHECK_NOTHROW(hstu::model(c, good, 1));
    else CHECK_THROWS_AS(hstu::model(c, good, 1), kvstrata::config_error);
    values = kept;
    names.push_back(name);
  });
  CHECK(names.size() == 3 + 2 * 10 + 2);
  hstu::weights fewer = good;
  fewer.layers.pop_back();
  CHECK(says(kvstrata_test::sentence_of<kvstrata::error>([&] { hstu::model(c, fewer, 1); }),
             "number of layers among the weights is 1"));
  hstu::weights headed = good;
  headed.head = random_head(random, c);
  CHECK(says(kvstrata_test::sentence_of<kvstrata::error>([&] { hstu::model(c, headed, 1); }),
             "the tensor head_in is 36"));
  headed.head_in.clear();
  headed.head_out.clear();
  CHECK_NOTHROW(hstu::model(c, headed, 1));
  headed.head.back().outputs = 0;
  CHECK_THROWS_AS(hstu::model(c, headed, 1), kvstrata::config_error);
}

TEST_CASE("where ids are rows, an item that has none is refused with its place", "[hstu]")
{
  generator random(204);
  hstu::config c = small_config();
  c.ids = hstu::item_ids::rows;
  const hstu::model m(c, 1);
  user u(random, 7, 2);
  for (std::uint64_t& item : u.items) item %= c.items;
  u.candidates = {0, 8};
  CHECK_NOTHROW(run_alone(random, m, u));
  u.candidates = {0, 9};
  CHECK(says(kvstrata_test::sentence_of<kvstrata::error>([&] { run_alone(random, m, u); }),
             "candidate 1 is item 9, but ids are rows of a table that has 9"));
  u.candidates = {0};
  u.items[2] = std::uint64_t{1} << 63;
  CHECK(says(kvstrata_test::sentence_of<kvstrata::error>([&] { run_alone(random, m, u); }),
             "token 4 is item 9223372036854775808"));
  u.compute = {{0, 4}, {5, 7}};  // it is not read
  pages memory(random, m.shape(), 4, {7});
  CHECK_NOTHROW(hstu::batch_forward(m, std::vector{u.request()}, memory.view()));
}
