#include "hstu/model.hpp"

#include "hstu/workspace.hpp"

namespace hstu {
namespace {

const config& checked(const config& c)
{
  check(c);
  return c;
}

}  // namespace

model::model(const config& c, std::size_t threads)
    : config_(checked(c)),
      weights_(random_weights(config_)),
      crew_(std::make_unique<crew>(threads)),
      pool_(std::make_shared<workspace_pool>())
{
}
model::~model() = default;

}  // namespace hstu
