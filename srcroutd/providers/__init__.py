"""Where the facts about ENIs come from: one small file a cloud, behind one interface."""
