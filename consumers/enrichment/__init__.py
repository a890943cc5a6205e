"""Who registers is looked up in Salesforce: while they wait if it answers in time, else soon after."""
