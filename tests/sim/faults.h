// Faults: what goes wrong in a simulation, and which changes an operator makes meanwhile.
#pragma once

#include "tests/sim/world.h"

namespace kvorum::sim {

class Node;
class Simulation;

class Faults {
 public:
  explicit Faults(Simulation& simulation);
  // Goes on until faults have ended.
  void schedule();

 private:
  void disturb();
  void disturb_links();
  void disturb_node(Node& node);
  void disturb_disk(Node& node);
  void cut_off(Node& node);
  void flap(Node& node, int times);
  void lose_leader_slowly();
  void doubt_lease();
  void read_for(Node& node, Time left);
  void crash_all();
  void change_membership();

  Simulation& simulation_;
  World& world_;
};

}  // namespace kvorum::sim
