#include "scratch.hpp"
#include "support/catch.hpp"

#include <kvstrata/simulate/table_reader.hpp>

using namespace kvstrata;
using kvstrata_test::says;
using kvstrata_test::scratch_folder;

namespace {

constexpr std::uint64_t any = ~std::uint64_t{0};

std::vector<std::uint64_t> numbers(const std::filesystem::path& file, std::string_view name, std::uint64_t most = any)
{
  table_reader rows(file);
  const auto at = rows.find(name);
  std::vector<std::uint64_t> all;
  while (rows.next()) all.push_back(rows.number(at, most));
  return all;
}

}  // namespace

TEST_CASE("columns are found by name in CSV and TSV, whatever ends the lines")
{
  const scratch_folder folder;
  for (const char* text : {"a,b,c\n7,1,x\n7,2,y\n", "c,b,a\nx,1,7\ny,2,7\n", "b\n1\n2\n", "a\tb\n7\t1\n7\t2\n",
                           "a\tb\n1,2,3\t1\n\t2\n", "a,b\r\n7,1\r\n7,2\r\n", "a,b\n7,1\n7,2", "a,b\r\n7,1\r\n7,2\r",
                           "\xef\xbb\xbf"
                           "b,a\n1,7\n2,7\n",
                           "\n\na,b\n\n7,1\n\r\n7,2\n\n\n"}) {
    CAPTURE(text);
    CHECK(numbers(folder.write("t", text), "b") == std::vector<std::uint64_t>{1, 2});
  }
  CHECK(numbers(folder.write("t", "a,b\n"), "b").empty());
}

TEST_CASE("rows across the ends of the buffer are whole")
{
  const scratch_folder folder;
  std::string text = "pad,n\n";
  std::vector<std::uint64_t> expected;
  random_source random(5);
  while (text.size() < 5'000'000) {
    expected.push_back(random.next());
    text += std::string(random.below(random.below(50) == 0 ? 300'000 : 90), 'x') + "," +
            std::to_string(expected.back()) + "\n";
  }
  CHECK(numbers(folder.write("t", text), "n") == expected);
}

TEST_CASE("whatever is wrong with a table is told with file, line and reason")
{
  const scratch_folder folder;
  const auto message = [&](std::string_view text) -> std::string {
    try {
      numbers(folder.write("t.csv", text), "b", 1000);
    } catch (const data_error& problem) {
      return problem.what();
    }
    return "none";
  };
  const std::string path = (folder.path() / "t.csv").string();
  CHECK(message("") == path + ": the file is empty");
  CHECK(message("\n\r\n") == path + ": the file is empty");
  CHECK(message("a,c\n1,2\n") == path + ":1: the header names no column \"b\"");
  CHECK(message("\nb,b\n1,2\n") == path + ":2: the header names \"b\" twice");
  CHECK(message("a,b\n1,2\n\n1\n") == path + ":4: the row has 1 fields, but the header names 2");
  CHECK(message("a,b\n1,2,3\n") == path + ":2: the row has 3 fields, but the header names 2");
  CHECK(message("a,b\n1,two\n") == path + ":2: b is \"two\", which is not a whole number");
  CHECK(message("a,b\n1,\n") == path + ":2: b is \"\", which is not a whole number");
  CHECK(message("a,b\n1,-2\n") == path + ":2: b is \"-2\", which is not a whole number");
  CHECK(message("a,b\n1, 2\n") == "none");
  CHECK(message("A, B\n\"1\",\"2\"\n") == "none");
  CHECK(message("a,b,c\n1,2\n") == "none");  // nobody asks for c
  CHECK(message("a,b\n1,2,\n3,4,\n") == "none");
  CHECK(message("a,b\n1,2,\n3,4\n") == path + ":3: the row has 2 fields, but the first one has 3");
  CHECK(message("a,b\n1,2\n3") == "none");  // cut off
  CHECK(message("a,b\n1,2.5\n") == path + ":2: b is \"2.5\", which is not a whole number");
  CHECK(message("a,b\n1,1000\n1,1001\n") == path + ":3: b is 1001, but it may be at most 1000");
  CHECK(message("a,b\n1,99999999999999999999\n") == path + ":2: b is 99999999999999999999, but it may be at most 1000");
  CHECK(message("a,b\n1,2\n" + std::string(2'000'000, 'x') + ",3\n") == "none");
  CHECK(message(std::string_view("\0\x7f\xff", 3)).find(":1: the header names no column") != std::string::npos);

  CHECK_THROWS_WITH(table_reader(folder.path() / "none.csv"), says("none.csv: no such file"));
  CHECK_THROWS_WITH(table_reader(folder.path()), says("is a folder, not a file"));
  CHECK_THROWS_AS(table_reader(folder.path()), data_error);
}

TEST_CASE("a reader that moves keeps its row")
{
  const scratch_folder folder;
  table_reader first(folder.write("t", "a,b\n1,2\n3,4\n"));
  const auto at = first.find("b");
  REQUIRE(first.next());
  table_reader second(std::move(first));
  CHECK(second.text(at) == "2");
  REQUIRE(second.next());
  CHECK(second.number(at, any) == 4);
  CHECK_FALSE(second.next());
  CHECK_FALSE(second.next());
}
